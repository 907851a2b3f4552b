import { element, setText } from "./elements.js";
import { dateAndClock, oneLine } from "./format.js";

const most = 500;

export function eventItem(event) {
  const name = event.kind === "task" ? element("a", { href: `#/task/${encodeURIComponent(event.name)}` }, oneLine(event.name)) : oneLine(event.name);
  return element(
    "li", { "data-sequence": event.sequence },
    element("time", { datetime: new Date(event.time).toISOString() }, dateAndClock(event.time)),
    element("span", { class: "kind" }, event.kind), element("span", { class: "who" }, name),
    element("span", { class: "what" }, oneLine(event.what)), element("span", { class: "why" }, oneLine(event.reason)));
}

// What happened on this host, the newest first.
export function eventsView(root) {
  const filter = element("input", { type: "search", id: "filter", autocomplete: "off", spellcheck: "false", placeholder: "any word", "aria-keyshortcuts": "/" });
  const shown = element("span", { class: "note", role: "status" });
  const list = element("ol", { class: "events", reversed: true });
  root.append(
    element("h2", { tabindex: "-1" }, "Events"),
    element("div", { class: "tools" }, element("label", { for: "filter" }, "Filter"), filter, shown), list);
  let newest = 0;
  let words = "";
  let all = [];
  const isChosen = (event) => words === "" || `${event.kind} ${event.name} ${event.what} ${event.reason}`.toLowerCase().includes(words);
  function showAll() {
    const chosen = all.filter(isChosen);
    list.replaceChildren(...chosen.slice(-most).reverse().map(eventItem));
    setText(shown, `${chosen.length} of the last ${all.length}`);
  }
  filter.addEventListener("input", () => {
    words = filter.value.toLowerCase();
    showAll();
  });
  return {
    focusFilter: () => filter.focus(),
    update(state) {
      if (state.sequence === newest && all.length === state.events.length) return;
      all = state.events;
      newest = state.sequence;
      showAll();
    },
    close() {},
  };
}
