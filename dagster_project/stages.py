"""The nine stages in their order: the words that groups, schemas, folders and packages bear."""

# Built for a range of days at once.
RANGE_STAGES = ("sources", "staging", "identity", "profile", "features", "scores", "segments")
# Built one day at a time, each after the day before, because a decision reads what was sent.
DAILY_STAGES = ("campaigns", "measurement")
# The jobs that build them.
TO_SEGMENTS, TO_MAILS = "to_segments", "to_mails"
STAGES = RANGE_STAGES + DAILY_STAGES
