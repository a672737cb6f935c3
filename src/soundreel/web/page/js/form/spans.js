// A plan's shots on the sound file's clock, which people read; the plan counts frames of the video.

/** [{start, end}] in seconds. */
export function spans(plan) {
  const begin = plan.chunks.length ? number(plan.chunks[0].start) : 0;
  const rate = number(plan.fps);
  return plan.shots.map(({ start_frame: first, num_frames: count }) => ({
    start: begin + first / rate,
    end: begin + (first + count) / rate,
  }));
}

/** "30000/1001" or "16". */
function number(fraction) {
  const [above, below = "1"] = fraction.split("/");
  return Number(above) / Number(below);
}
