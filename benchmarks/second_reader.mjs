// What a network of the package face-api says of faces.
// node second_reader.mjs FOLDER NETWORK FACES OUTPUT
// FOLDER holds the packages of envs/second_reader; NETWORK is faceExpressionNet or
// faceLandmark68Net; FACES is N pictures of 112 x 112 RGB bytes; OUTPUT gets N rows as JSON: 7
// probabilities in the network's order, or 68 pairs of x and y from 0 to 1 over the picture.
import fs from "node:fs";
import path from "node:path";
import { createRequire } from "node:module";

const [folder, name, faces, output] = process.argv.slice(2);
const require = createRequire(path.resolve(folder, "package.json"));
const wasm = require("@tensorflow/tfjs-backend-wasm");
const program = path.dirname(require.resolve("@tensorflow/tfjs-backend-wasm"));
wasm.setWasmPaths(path.join(program, path.sep));
const faceapi = require("@vladmandic/face-api/dist/face-api.node-wasm.js");
await faceapi.tf.setBackend("wasm");
const package_folder = path.dirname(require.resolve("@vladmandic/face-api/package.json"));
const network = faceapi.nets[name];
await network.loadFromDisk(path.join(package_folder, "model"));

const shape = [112, 112, 3];
const size = shape.reduce((a, b) => a * b);
const bytes = fs.readFileSync(faces);
const rows = [];
for (let start = 0; start < bytes.length; start += size) {
  const picture = faceapi.tf.tensor4d(
    new Int32Array(bytes.subarray(start, start + size)), [1, ...shape], "int32");
  const found = await network.forward(picture);
  rows.push(Array.from(await found.data()));
  picture.dispose();
  found.dispose();
}
fs.writeFileSync(output, JSON.stringify(rows));
