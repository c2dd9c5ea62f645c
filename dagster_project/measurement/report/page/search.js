"use strict";

// SHA-256 (FIPS 180-4) of a text in hexadecimal: the browser's own is not there for a file opened from disk in every browser.
const sha256 = (() => {
  const primes = [];
  for (let n = 2; primes.length < 64; n += 1) if (primes.every((prime) => n % prime)) primes.push(n);
  const fraction = (root) => (root - Math.floor(root)) * 2 ** 32 | 0;
  const rounds = primes.map((prime) => fraction(Math.cbrt(prime)));
  const start = primes.slice(0, 8).map((prime) => fraction(Math.sqrt(prime)));
  const turn = (word, by) => (word >>> by) | (word << (32 - by));
  return (text) => {
    const bytes = new TextEncoder().encode(text);
    const padded = new DataView(new ArrayBuffer(((bytes.length + 8 >> 6) + 1) * 64));
    bytes.forEach((byte, place) => padded.setUint8(place, byte));
    padded.setUint8(bytes.length, 0x80);
    padded.setUint32(padded.byteLength - 8, Math.floor(bytes.length / 2 ** 29));
    padded.setUint32(padded.byteLength - 4, bytes.length * 8);
    const state = [...start];
    const words = new Int32Array(64);
    for (let block = 0; block < padded.byteLength; block += 64) {
      for (let t = 0; t < 64; t += 1) {
        if (t < 16) { words[t] = padded.getInt32(block + t * 4); continue; }
        const [early, late] = [words[t - 15], words[t - 2]];
        words[t] = words[t - 16] + (turn(early, 7) ^ turn(early, 18) ^ (early >>> 3)) + words[t - 7] + (turn(late, 17) ^ turn(late, 19) ^ (late >>> 10));
      }
      let [a, b, c, d, e, f, g, h] = state;
      for (let t = 0; t < 64; t += 1) {
        const first = h + (turn(e, 6) ^ turn(e, 11) ^ turn(e, 25)) + ((e & f) ^ (~e & g)) + rounds[t] + words[t] | 0;
        const second = (turn(a, 2) ^ turn(a, 13) ^ turn(a, 22)) + ((a & b) ^ (a & c) ^ (b & c)) | 0;
        [h, g, f, e, d, c, b, a] = [g, f, e, d + first | 0, c, b, a, first + second | 0];
      }
      [a, b, c, d, e, f, g, h].forEach((word, place) => { state[place] = state[place] + word | 0; });
    }
    return state.map((word) => (word >>> 0).toString(16).padStart(8, "0")).join("");
  };
})();

// An element with a class and children; texts are set as texts, never as markup.
const make = (tag, name, ...children) => {
  const element = document.createElement(tag);
  if (name) element.className = name;
  element.append(...children.filter((child) => child !== null));
  return element;
};
const named = (name) => { const words = name.replaceAll("_", " ").replace(/\b(vip|sms)\b/g, (word) => word.toUpperCase()); return words.charAt(0).toUpperCase() + words.slice(1); };
const list = (title, items, otherwise) => make("div", "", make("h3", "", title),
  items.length ? make("ul", "rows", ...items.map(([text, value]) => make("li", "", make("span", "", text), value))) : make("p", "empty", otherwise));
const pill = (text, tone) => make("b", `pill ${tone}`, text);
const bold = (text) => make("b", "", text);

const source = document.getElementById("people");
if (source) {
  const data = JSON.parse(source.textContent);
  const say = (place) => (place === null ? null : data.words[place]);
  const channelName = (channel) => ({ email: "e-mail", sms: "SMS", ads: "advertisements" })[channel] ?? channel;
  const tones = { send: "good", holdout: "wait", excluded: "" };
  const SCORE_NAMES = {
    churn_probability: "Churn", purchase_30d_probability: "Buys within 30 days", first_purchase_probability: "First purchase",
    vip_probability: "Becomes a VIP", click_probability: "Clicks the next mail", best_send_hour: "Best hour to write", next_order_date: "Next order expected",
  };

  // Campaigns write at the best hour that is not a quiet one, as the decision has it.
  const quietly = (best) => {
    const [from, until] = data.quiet;
    const goes = Math.max(until, Math.min(from - 1, best));
    return goes === best ? null : make("small", "", ` mails go at ${goes}:00, as ${from}:00 to ${until}:00 are quiet hours`);
  };
  const moved = (raised, lowered) => [["raised by", raised], ["lowered by", lowered]]
    .filter(([, reasons]) => reasons !== null).flatMap(([way, reasons]) => [make("br"), `${way}: ${say(reasons)}`]);

  const scoreRows = (values) => {
    const by = Object.fromEntries(data.scores.map((name, place) => [name, values[place]]));
    const rows = Object.entries(SCORE_NAMES).filter(([name]) => by[name] !== undefined && by[name] !== null).map(([name, label]) =>
      [name === "best_send_hour" ? make("span", "", label, quietly(by[name])) : label, bold(name.endsWith("probability") ? by[name].toFixed(2) : name === "best_send_hour" ? `${by[name]}:00` : String(by[name]))]);
    if (by.clv_365d_amount !== undefined && by.clv_365d_amount !== null) {
      const range = by.clv_365d_low != null && by.clv_365d_high != null ? ` (${by.clv_365d_low.toFixed(0)} to ${by.clv_365d_high.toFixed(0)})` : "";
      rows.push(["Value of the next year", bold(`${by.clv_365d_amount.toFixed(0)} ${data.currency}${range}`)]);
    }
    return rows;
  };

  const describe = ([, id, status, country, language, firstSeen, completeness, records, permissions, suppressions, segments, decisions, scores, recommended, reasons]) => {
    const told = decisions.map(([campaign, step, decision, reason, variant, from, to, days]) => ({
      campaign: say(campaign), step: say(step), decision: say(decision), reason: say(reason), variant: say(variant), from: say(from), to: say(to), days,
    }));
    const tonight = told.filter((one) => one.to === data.today);
    const sent = tonight.find((one) => one.decision === "send");
    const verdict = sent ? `Gets ${named(sent.campaign)}, ${sent.step}, tonight.`
      : tonight.length ? `Gets no mail tonight: ${[...new Set(tonight.map((one) => one.reason))].join(", ")}.`
        : "Gets no mail tonight: it was not this customer's turn in any campaign.";
    const never = data.campaigns.filter((campaign) => !told.some((one) => one.campaign === campaign));
    const when = (one) => (one.from === one.to ? one.from : `${one.from} to ${one.to}`) + (one.days > 1 ? `, ${one.days} times` : "");
    const yes = permissions.map(([channel, purpose, granted, since]) => [
      `${named(say(purpose))} by ${channelName(say(channel))}, since ${say(since)}`, pill(granted ? "yes" : "no", granted ? "good" : "bad")]);
    const stopped = suppressions.map(([channel, reason]) => [`Suppressed for ${channelName(say(channel))}: ${say(reason)}`, pill("stop", "bad")]);
    return make("article", "person",
      make("p", "verdict", verdict),
      make("p", "id", id),
      make("p", "note", [say(country), say(language), `first seen ${say(firstSeen) ?? "at an unknown time"}`, `address ${say(status)}`,
        `profile ${Math.round(completeness * 100)} % complete`].filter(Boolean).join(" · ")),
      make("div", "columns",
        list("Decisions", told.map((one) => [
          make("span", "", make("strong", "", `${named(one.campaign)}, ${one.step}`), `: ${one.reason}`, one.variant ? ` (variant ${one.variant})` : "", make("br", ""), make("small", "", when(one))),
          pill(one.decision, tones[one.decision] ?? "")]).concat(never.map((campaign) => [
          make("span", "", make("strong", "", named(campaign)), ": never this customer's turn, being in no audience of it"), ""])), "No campaign has considered this customer."),
        make("div", "",
          list("Segments", segments.map(([segment, since]) => [named(say(segment)), make("small", "", `since ${say(since)}${say(since) === data.first ? " or before" : ""}`)]), "In no segment."),
          list("Consent", [...stopped, ...yes], "Has said nothing, which counts as no."),
          list("Scores", scoreRows(scores), data.scores.length ? "None: profiling is not allowed, or the models abstained." : "This store has no scores."),
          ...(reasons.length ? [list("Why these scores", reasons.map(([score, raised, lowered]) => [
            make("span", "", make("strong", "", SCORE_NAMES[say(score)] ?? (say(score) === "clv_365d_amount" ? "Value of the next year" : named(say(score)))), ...moved(raised, lowered)), ""]), "")] : []),
          ...(recommended.length ? [list("Recommended", recommended.map(([product, reason]) => [say(product), make("small", "", say(reason))]), "")] : []),
          list("Records", records.map(([system, rule, count, probability]) => [
            `${say(system)}${count > 1 ? `, ${count} records` : ""}: ${say(rule)}`, probability < 1 ? make("small", "", probability < 0.995 ? probability.toFixed(2) : "> 0.99") : ""]), "None."))));
  };

  const answer = document.getElementById("answer");
  const look = (typed) => {
    const who = typed.trim();
    if (!who) { answer.replaceChildren(); return; }
    const key = sha256(data.salt + who.toLowerCase()).slice(0, 16);
    const found = data.people.filter((person) => person[0].includes(key) || person[1] === who.toLowerCase());
    answer.replaceChildren(...(found.length ? found.map(describe)
      : [make("p", "empty", "Nobody of that address or id is a customer on this day: an unknown address, one that was erased, or a slip of the pen. The whole address is needed, as only its hash is here.")]));
  };
  const field = document.getElementById("who");
  const ask = (who) => { field.value = who; look(who); };
  document.getElementById("ask").addEventListener("submit", (event) => { event.preventDefault(); look(field.value); });
  document.querySelectorAll("[data-who]").forEach((button) => button.addEventListener("click", () => ask(button.dataset.who)));
  const fromAddressBar = () => {
    if (!location.hash.startsWith("#who=")) return;
    ask(decodeURIComponent(location.hash.slice(5)));
    document.getElementById("search").scrollIntoView({ behavior: "instant" });
  };
  addEventListener("hashchange", fromAddressBar);
  fromAddressBar();
}

const scheme = document.getElementById("scheme");
if (scheme) {
  scheme.hidden = false;
  scheme.addEventListener("click", ({ target }) => {
    if (!target.dataset.scheme) return;
    scheme.querySelectorAll("button").forEach((button) => button.setAttribute("aria-pressed", String(button === target)));
    document.getElementById("phones").dataset.scheme = target.dataset.scheme;
  });
}
