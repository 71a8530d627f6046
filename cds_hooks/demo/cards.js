// Cards as an EHR shows them: what it says, what it offers, accept or override.

import { el, link } from "./dom.js";
import { markdown } from "./markdown.js";

const WORDS = { critical: "Critical", warning: "Warning", info: "Information" };

// `does.accept(card, suggestion)` and `does.override(card, reason)` give a line to show, or throw an Error to show.
export function renderCard(card, place, does) {
  const indicator = card.indicator in WORDS ? card.indicator : "warning"; // an unknown one is not played down
  const title = `card-${place}`;
  const outcome = el("div", { class: "outcome", role: "status" });
  const root = el(
    "article",
    { class: `card ${indicator}`, "aria-labelledby": title, "data-uuid": card.uuid },
    el("p", { class: "indicator" }, WORDS[indicator]),
    el("h3", { id: title }, card.summary),
    card.detail &&
      el(
        "details",
        { class: "detail", open: place === 0 },
        el("summary", {}, "Detail"),
        el("div", { class: "prose" }, markdown(card.detail)),
      ),
    suggestions(card, does, outcome),
    links(card.links),
    outcome,
    el(
      "div",
      { class: "foot" },
      el("p", { class: "source" }, "Source: ", link(card.source?.label ?? "not named", card.source?.url)),
      card.uuid && el("button", { type: "button", class: "plain override-open", "aria-expanded": "false" }, "Override…"),
    ),
  );
  if (card.uuid) override(card, root, does, outcome, place);
  return root;
}

function suggestions(card, does, outcome) {
  const offered = card.suggestions ?? [];
  if (!offered.length) return null;
  const one = card.selectionBehavior === "at-most-one";
  const buttons = offered.map((suggestion) =>
    el(
      "button",
      { type: "button", class: `suggestion ${suggestion.isRecommended ? "recommended" : "offered"}` },
      el("span", {}, suggestion.label),
      el("span", { class: "mark" }, suggestion.isRecommended ? "recommended" : "offered"),
    ),
  );
  buttons.forEach((button, index) =>
    button.addEventListener("click", async () => {
      for (const other of one ? buttons : [button]) other.disabled = true;
      button.closest(".card").querySelector(".override-open")?.remove();
      button.closest(".card").querySelector(".override")?.remove();
      button.classList.add("accepted");
      button.querySelector(".mark").textContent = "accepted";
      await told(outcome, () => does.accept(card, offered[index]));
    }),
  );
  return el(
    "div",
    { class: "suggestions", role: "group", "aria-label": "Suggestions" },
    offered.length > 1 && el("p", { class: "quiet" }, one ? "Choose at most one" : "Choose any"),
    el("div", { class: "buttons" }, buttons),
  );
}

function links(given) {
  if (!given?.length) return null;
  const items = given.map((one) =>
    el("li", {}, one.type === "smart" ? `${one.label} (SMART app: not launched from this demo)` : link(one.label, one.url)),
  );
  return el("ul", { class: "links" }, items);
}

function override(card, root, does, outcome, place) {
  const opener = root.querySelector(".override-open");
  const reasons = card.overrideReasons ?? [];
  const menu = reasons.length
    ? el(
        "select",
        { id: `reason-${place}` },
        el("option", { value: "" }, "Choose a reason"),
        reasons.map((reason, index) => el("option", { value: index }, reason.display ?? reason.code)),
      )
    : null;
  const comment = el("textarea", { id: `comment-${place}`, rows: 2 });
  const problem = el("p", { class: "problem", role: "alert" });
  const form = el(
    "form",
    { class: "override", hidden: true, "aria-label": "Override this card" },
    menu && el("label", { for: menu.id }, "Reason"),
    menu,
    el("label", { for: comment.id }, menu ? "Comment (or another reason)" : "Reason, in your words"),
    comment,
    problem,
    el(
      "div",
      { class: "buttons" },
      el("button", { type: "submit", class: "primary" }, "Record override"),
      el("button", { type: "button", class: "plain", on: { click: () => open(false) } }, "Cancel"),
    ),
  );
  const open = (wanted) => {
    form.hidden = !wanted;
    opener.setAttribute("aria-expanded", String(wanted));
    (wanted ? (menu ?? comment) : opener).focus();
  };
  opener.addEventListener("click", () => open(form.hidden));
  form.addEventListener("keydown", (event) => event.key === "Escape" && open(false));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const chosen = menu?.value ? reasons[Number(menu.value)] : null;
    const said = comment.value.trim();
    if (!chosen && !said) {
      problem.textContent = menu ? "Choose a reason or write one." : "Write a reason.";
      (menu ?? comment).focus();
      return;
    }
    form.remove();
    opener.remove();
    for (const button of root.querySelectorAll(".suggestion")) button.disabled = true;
    root.classList.add("overridden");
    root.querySelector("details.detail")?.removeAttribute("open");
    const { code, system, display } = chosen ?? {};
    await told(outcome, () =>
      does.override(card, {
        ...(chosen && { reason: { code, system, ...(display && { display }) } }),
        ...(said && { userComment: said }),
      }),
    );
  });
  root.append(form);
}

async function told(outcome, act) {
  outcome.tabIndex = -1;
  const line = el("p", {}, "Recording…");
  outcome.append(line);
  try {
    line.textContent = await act();
  } catch (error) {
    line.classList.add("problem");
    line.textContent = error.message;
  }
  outcome.focus({ preventScroll: true });
}
