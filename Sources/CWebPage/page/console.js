import { getJSON, taskPath } from "./api.js";
import { element, setText } from "./elements.js";

const most = 2000;

// Sequences for a terminal: colours and cursors, titles, and single control characters.
const sequences = /\u001b\[[0-?]*[ -/]*[@-~]|\u001b\][^\u0007\u001b]*(?:\u0007|\u001b\\)|\u001b[@-Z\\-_]|[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g;

// What would turn the direction of writing of what follows.
const directions = /[\u202a-\u202e\u2066-\u2069]/g;

// What a task writes, as it comes.
export function consoleView(name, signal) {
  const lines = element("div", { class: "lines" });
  const pane = element("div", { class: "console", tabindex: "0", role: "log", "aria-label": "Console of the task", "aria-live": "off" }, lines);
  const follow = element("input", { type: "checkbox", id: "follow", checked: true });
  const note = element("span", { class: "note" });
  const node = element(
    "div", {}, element("div", { class: "tools" }, follow, element("label", { for: "follow" }, "Follow"), note), pane);
  let cursor = "";
  let open = null;

  function add(entry) {
    const text = entry.text.replace(sequences, "").replace(directions, "\ufffd");
    if (open) {
      open.append(text);
    } else {
      open = element("span", { class: "text" }, text);
      lines.append(element(
        "div", { class: entry.errors ? "errors" : null }, element("time", { datetime: entry.time }, entry.time.slice(11, 19)), " ", open));
    }
    if (!entry.partial) open = null;
  }

  async function read() {
    const answer = await getJSON(taskPath(name, `/console?lines=500&after=${encodeURIComponent(cursor)}`), signal);
    cursor = answer.cursor;
    if (answer.entries.length === 0) return setText(note, lines.children.length ? "" : "nothing yet");
    answer.entries.slice(-most).forEach(add);
    while (lines.children.length > most) lines.firstChild.remove();
    setText(note, "");
    if (follow.checked) pane.scrollTop = pane.scrollHeight;
  }

  (async () => {
    while (!signal.aborted) {
      try {
        if (!document.hidden) await read();
      } catch (error) {
        if (signal.aborted) return;
        setText(note, error.message);
      }
      await new Promise((done) => setTimeout(done, 1000));
    }
  })();
  return { node };
}
