// Numbers and times for people. What isn't known is a dash.

export const none = "–";

const known = (value) => value !== undefined && value !== null;

export function bytes(value) {
  if (!known(value)) return none;
  const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
  let unit = 0;
  let rest = value;
  while (rest >= 1024 && unit < units.length - 1) {
    rest /= 1024;
    unit += 1;
  }
  const digits = unit === 0 || rest >= 100 ? 0 : rest >= 10 ? 1 : 2;
  return `${rest.toFixed(digits)} ${units[unit]}`;
}

export const rate = (value) => (known(value) ? `${bytes(value)}/s` : none);

export const percent = (value) => (known(value) ? `${value.toFixed(1)}%` : none);

export const count = (value) => (known(value) ? String(value) : none);

// From thousandths of a CPU.
export const cores = (value) => (known(value) ? String(Math.round(value / 10) / 100) : none);

const pad = (number) => String(number).padStart(2, "0");

// From milliseconds since 1970, in the reader's own zone.
export function clock(milliseconds) {
  const time = new Date(milliseconds);
  return `${pad(time.getHours())}:${pad(time.getMinutes())}:${pad(time.getSeconds())}`;
}

export function date(milliseconds) {
  const time = new Date(milliseconds);
  return `${time.getFullYear()}-${pad(time.getMonth() + 1)}-${pad(time.getDate())}`;
}

export const dateAndClock = (milliseconds) => `${date(milliseconds)} ${clock(milliseconds)}`;

export function duration(milliseconds) {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000));
  if (seconds < 120) return `${seconds} s`;
  if (seconds < 7200) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 172800) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86400)} d`;
}

export const age = (seconds) => duration(Date.now() - seconds * 1000);

// Text from elsewhere in one line: what would move a cursor or turn the direction of writing is shown as such.
export const oneLine = (text) => text.replace(/[\u0000-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, "\ufffd");
