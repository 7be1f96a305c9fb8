// @ts-check
/** A take: recorded onto a lane, uploaded as WAV, and laid where the playhead is. */
import { placeClips, upload } from "./imports.js";
import { wavOf } from "./wav.js";

/** Begins to record onto a lane, or ends it. @param {import("./editor.js").DialogueEditor} editor @param {number} index */
export async function toggleTake(editor, index) {
  const { recorder } = editor;
  try {
    if (recorder.recording) await finish(editor);
    else {
      editor.stop();
      await recorder.start();
      editor.recordingLane = index;
    }
  } catch (error) {
    editor.recordingLane = undefined;
    recorder.cancel();
    editor.say("noMicrophone", { reason: error instanceof Error ? error.message : String(error) });
  }
  editor.requestDraw();
}

/** @param {import("./editor.js").DialogueEditor} editor */
async function finish(editor) {
  const lane = editor.recordingLane ?? 0;
  editor.recordingLane = undefined;
  const buffer = await editor.recorder.stop();
  const stamp = new Date().toISOString().replace(/\D/g, "").slice(0, 14);
  const name = `${editor.dialogue.lanes[lane]?.name ?? ""} ${stamp}.wav`.replace(/[\\/:*?"<>|]/g, "_");
  const file = new File([wavOf(buffer.getChannelData(0), buffer.sampleRate)], name, { type: "audio/wav" });
  const arrived = await upload(editor, file, buffer);
  if (arrived) placeClips(editor, [arrived], Math.min(lane, editor.dialogue.lanes.length - 1), editor.playhead);
}
