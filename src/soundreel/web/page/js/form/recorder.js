// A microphone's sound as a file.

export const canRecord = () => Boolean(navigator.mediaDevices?.getUserMedia && globalThis.MediaRecorder);

/** Resolves when it records; the function that it gives stops it and resolves to the File. Rejects
    with words for a person. */
export async function record() {
  const stream = await microphone();
  const recorder = new MediaRecorder(stream);
  const parts = [];
  recorder.addEventListener("dataavailable", (event) => parts.push(event.data));
  const stopped = new Promise((resolve) => recorder.addEventListener("stop", resolve));
  recorder.start(1000);
  return async () => {
    recorder.stop();
    await stopped;
    for (const track of stream.getTracks()) track.stop();
    const type = recorder.mimeType.split(";")[0] || "audio/webm";
    const ending = { "audio/mp4": "m4a", "audio/ogg": "ogg" }[type] ?? "webm";
    return new File(parts, `recording.${ending}`, { type });
  };
}

async function microphone() {
  try {
    return await navigator.mediaDevices.getUserMedia({ audio: true });
  } catch (err) {
    const hints = {
      NotAllowedError: "allow this page the microphone in the browser's bar, or choose a file",
      NotFoundError: "plug one in, or choose a file",
    };
    throw { message: "there is no microphone to record from", hint: hints[err.name] ?? `${err.message || err.name}; or choose a file` };
  }
}
