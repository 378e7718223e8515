/** Finds out, and where it may prepares, what the cluster suites run on: containers of our own image, or processes. */
import { capture, run } from "./run.ts";

export type Backend = "containers" | "processes";

/** The image that the cluster suites run; built from our own Dockerfile at every run. */
export const TEST_IMAGE = "kavach:test";

/** Thrown with a text for people; the run ends. */
export class Unprepared extends Error {
  override readonly name = "Unprepared";
}

/** Installs the tools, and where Docker answers builds the images. `CI=true` takes no machine without Docker. */
export async function prepareMachine(env: NodeJS.ProcessEnv): Promise<Backend> {
  if ((await run("sh", ["tools/test-tools.sh"])) !== 0) throw new Unprepared("the tools of the tests are not complete");
  const docker = await capture("docker", ["info", "--format", "{{.ServerVersion}}"]);
  if (docker.code !== 0) {
    if (env.CI === "true") {
      throw new Unprepared("CI=true demands Docker, and 'docker info' fails: run tools/docker-engine.sh");
    }
    console.log("No usable Docker here: the cluster suites run on redis-server and node processes of this machine.");
    return "processes";
  }
  console.log(`Docker ${docker.output.trim()}: the cluster suites run in containers of our own image.`);
  if ((await run("sh", ["tools/base-images.sh", "--envoy"])) !== 0) throw new Unprepared("no base images");
  const built = await capture("docker", ["build", "-q", "-f", "deploy/docker/Dockerfile", "-t", TEST_IMAGE, "."]);
  if (built.code !== 0) throw new Unprepared(`the image does not build:\n${built.output}`);
  return "containers";
}
