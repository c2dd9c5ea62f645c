"""Which columns a model may learn from: a text of few people is none."""

import pyarrow as pa

from ml.propensity import LEAST_PEOPLE, learnable_columns


def test_a_text_of_few_people_is_no_column_on_however_many_days() -> None:
    def columns(people: int, days: int) -> tuple[str, ...]:
        names = [f"c{number % people}" for number in range(people * days)]
        return learnable_columns(pa.table({"customer_id": names, "interests": ["reads about my divorce"] * len(names)}))

    assert columns(3, 60) == ()
    assert columns(LEAST_PEOPLE - 1, 4) == ()
    assert columns(LEAST_PEOPLE, 1) == ("interests=reads about my divorce",)
