/** Where in a pod a process runs. */
export interface PodCgroup {
  /** The folder below the pod's, such as `cri-containerd-<id>.scope`, `crio-<id>` or just `<id>`. */
  container: string;
  /** Whether it runs further down in a cgroup that something inside of the container made, such as systemd or docker. */
  nested: boolean;
}

/** What crun makes below a container's scope for the container itself: nothing inside of the container did. */
const CRUN_FOLDER = 'container';

/**
 * Where in a pod a process runs, by /proc/PID/cgroup: a line per version 1 hierarchy, and `0::` for version 2.
 *
 * The folder of a pod is named `pod<uid>` (driver cgroupfs), or ends in `-pod<uid>.slice` with `_` for `-` (driver
 * systemd); what comes before it differs between nodes, and in a private cgroup namespace starts with `/..`.
 * A process that is in the pod's folder itself, or in that of CRI-O's conmon, belongs to the runtime.
 *
 * @param text the file's content
 * @returns undefined when it runs in no container of this pod
 */
export function cgroupInPod(text: string, podUid: string): PodCgroup | undefined {
  let found: PodCgroup | undefined;
  for (const line of text.split('\n')) {
    const inPod = pathInPod(line, podUid);
    if (!inPod) continue;
    const [container, ...deeper] = inPod;
    if (container === undefined || container.startsWith('crio-conmon-')) return undefined;
    // Hierarchies that disagree: something inside of the container moved the process in some of them.
    const nested = deeper.some((folder, depth) => depth > 0 || folder !== CRUN_FOLDER);
    found = { container, nested: nested || found?.nested === true || (found?.container ?? container) !== container };
  }
  return found;
}

/** The folders below the pod's; undefined when the path does not lead through it. */
function pathInPod(line: string, podUid: string): string[] | undefined {
  const path = line.slice(line.indexOf(':', line.indexOf(':') + 1) + 1);
  const folders = path
    .replace(/ \(deleted\)$/, '')
    .split('/')
    .filter((folder) => folder !== '');
  const slice = `pod${podUid.replaceAll('-', '_')}.slice`;
  const index = folders.findIndex(
    (folder) => folder === `pod${podUid}` || folder === slice || folder.endsWith(`-${slice}`),
  );
  return index < 0 ? undefined : folders.slice(index + 1);
}

/** Whether a container's folder is that of a container with this id, the part of `containerID` after `://`. */
export function isFolderOf(container: string, id: string): boolean {
  const name = container.replace(/\.scope$/, '');
  return id !== '' && (name === id || name.endsWith(`-${id}`));
}
