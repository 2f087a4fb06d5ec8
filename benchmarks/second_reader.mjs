// Probabilities of the expressions of faces, by the network of the package face-api.
// node second_reader.mjs FOLDER FACES OUTPUT
// FOLDER holds the packages of envs/second_reader; FACES is N pictures of 112 x 112 RGB bytes;
// OUTPUT gets N rows of 7 numbers as JSON, in the network's order.
import fs from "node:fs";
import path from "node:path";
import { createRequire } from "node:module";

const [folder, faces, output] = process.argv.slice(2);
const require = createRequire(path.resolve(folder, "package.json"));
const wasm = require("@tensorflow/tfjs-backend-wasm");
const program = path.dirname(require.resolve("@tensorflow/tfjs-backend-wasm"));
wasm.setWasmPaths(path.join(program, path.sep));
const faceapi = require("@vladmandic/face-api/dist/face-api.node-wasm.js");
await faceapi.tf.setBackend("wasm");
const package_folder = path.dirname(require.resolve("@vladmandic/face-api/package.json"));
await faceapi.nets.faceExpressionNet.loadFromDisk(path.join(package_folder, "model"));

const shape = [112, 112, 3];
const size = shape.reduce((a, b) => a * b);
const bytes = fs.readFileSync(faces);
const rows = [];
for (let start = 0; start < bytes.length; start += size) {
  const picture = faceapi.tf.tensor4d(
    new Int32Array(bytes.subarray(start, start + size)), [1, ...shape], "int32");
  const probabilities = await faceapi.nets.faceExpressionNet.forward(picture);
  rows.push(Array.from(await probabilities.data()));
  picture.dispose();
  probabilities.dispose();
}
fs.writeFileSync(output, JSON.stringify(rows));
