/** What has to be tidied up when a dump or a restore ends, well or not; the last that was added comes first. */
export type TidyUp = (succeeded: boolean) => void;

export class Aftermath {
  private readonly steps: TidyUp[] = [];

  add(step: TidyUp): void {
    this.steps.push(step);
  }

  /** Runs each step once. One that fails is reported to `warn` and keeps no other from running. */
  run(succeeded: boolean, warn: (message: string) => void): void {
    for (let step = this.steps.pop(); step; step = this.steps.pop()) {
      try {
        step(succeeded);
      } catch (error) {
        warn(`cannot tidy up: ${(error as Error).message}`);
      }
    }
  }
}
