import { bar, sparkline } from "./chart.js";
import { element, setNumber, setText } from "./elements.js";
import { bytes, cores, oneLine, percent } from "./format.js";
import * as history from "./history.js";

// The strip at the top: what this host has, and how it is.
export function hostStrip(root) {
  const cell = (title, ...content) => element("div", { class: "cell" }, element("h2", {}, title), ...content);
  const value = (id) => element("span", { class: "value", id });
  const note = (id) => element("p", { class: "note", id });
  const big = (...content) => element("p", { class: "big" }, ...content);

  const [cpuUsed, cpuTotal, cpuNote] = [value("host-cpu-used"), value("host-cpu-total"), note("host-cpu-note")];
  const cpuCurve = sparkline("cpu");
  const [memoryUsed, memoryTotal, memoryNote] = [value("host-memory-used"), value("host-memory-total"), note("host-memory-note")];
  const memoryBar = element("div");
  const [diskFree, diskTotal, diskNote] = [value("host-disk-free"), value("host-disk-total"), note("host-disk-note")];
  const diskBar = element("div");
  const [alive, taskNote, jobNote] = [value("host-tasks"), note("host-tasks-note"), note("host-jobs-note")];
  const stalls = ["cpu", "memory", "io"].map((kind) => {
    const [number, curve] = [value(`host-stall-${kind}`), sparkline("stall")];
    return { kind, number, curve, row: element("div", { class: "stall-row" }, element("span", {}, { cpu: "CPU", memory: "Memory", io: "I/O" }[kind]), curve.node, number) };
  });
  root.append(
    cell("CPU", big(cpuUsed, " of ", cpuTotal, " cores"), cpuCurve.node, cpuNote),
    cell("Memory", big(memoryUsed, " of ", memoryTotal), memoryBar, memoryNote),
    cell("Pool", big(diskFree, " free of ", diskTotal), diskBar, diskNote),
    cell("Stalled", ...stalls.map((stall) => stall.row)),
    cell("Tasks", big(alive, " running"), taskNote, jobNote));

  return {
    usage(host) {
      setNumber(cpuUsed, host.cpu.used, cores(host.cpu.used));
      setNumber(cpuTotal, host.cpu.total, cores(host.cpu.total));
      setText(cpuNote, `${cores(host.cpu.reserved)} set aside for tasks, ${cores(host.cpu.system)} for the system`);
      cpuCurve.update(history.host.cpu, host.cpu.total);
      setNumber(memoryUsed, host.memory.used, bytes(host.memory.used));
      setNumber(memoryTotal, host.memory.total, bytes(host.memory.total));
      setText(memoryNote, `${bytes(host.memory.reserved)} set aside for tasks, ${bytes(host.memory.system)} for the system`);
      memoryBar.replaceChildren(bar([{ kind: "used", value: host.memory.used ?? 0 }], host.memory.total, "memory in use"));
      setNumber(diskFree, host.disk?.available, bytes(host.disk?.available));
      setNumber(diskTotal, host.disk?.total, bytes(host.disk?.total));
      const used = host.disk ? host.disk.total - host.disk.available : 0;
      setText(diskNote, host.disk ? `${percent((used * 100) / host.disk.total)} in use` : "can't be read");
      diskBar.replaceChildren(bar([{ kind: "used", value: used }], host.disk?.total ?? 0, "pool in use"));
      for (const stall of stalls) {
        const now = host.pressure[stall.kind]?.some.average10;
        setNumber(stall.number, now, percent(now));
        stall.curve.update(history.host.pressure[stall.kind], 10);
      }
    },
    tasks(tasks) {
      const of = (state) => tasks.filter((task) => task.state === state).length;
      setNumber(alive, of("running"), String(of("running")));
      const others = ["preparing", "starting", "restarting", "stopping", "exited", "failed"].filter((state) => of(state) > 0);
      setText(taskNote, others.length ? others.map((state) => `${of(state)} ${state}`).join(", ") : `${tasks.length} in all`);
    },
    jobs(jobs) {
      const short = jobs.filter((job) => job.ready < job.wanted);
      setText(
        jobNote,
        jobs.length === 0 ? "no jobs" : short.length === 0 ? `${jobs.length} jobs, all ready`
          : short.map((job) => `${oneLine(job.name)} ${job.ready}/${job.wanted}`).join(", "));
    },
  };
}
