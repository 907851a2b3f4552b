// What the agent answers. Paths are those of docs/architecture.md.

export async function get(path, signal) {
  const response = await fetch(path, { signal, cache: "no-store", credentials: "same-origin" });
  if (!response.ok) {
    const error = await response.json().catch(() => ({}));
    throw Object.assign(new Error(error.message ?? `status ${response.status}`), { status: response.status });
  }
  return response;
}

export async function getJSON(path, signal) {
  return (await get(path, signal)).json();
}

// A line of JSON each.
export async function getLines(path, signal) {
  const text = await (await get(path, signal)).text();
  return text.split("\n").filter((line) => line !== "").map((line) => JSON.parse(line));
}

export const taskPath = (name, what = "") => `/v1/tasks/${encodeURIComponent(name)}${what}`;
