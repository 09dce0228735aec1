// Calls the client `pgmq-js`: one line of JSON in, [method, ...arguments], one line of JSON out, {answer} or {error, code}.
import { createInterface } from "node:readline";
import { Pgmq } from "pgmq-js";

const { hostname, port, username, password, pathname } = new URL(process.argv[2]);
const connection = { host: hostname, port: Number(port), user: username, password, database: pathname.slice(1), ssl: false };
const pgmq = await Pgmq.new(connection, { skipExtensionCreation: process.argv[3] === "skip" });

for await (const line of createInterface({ input: process.stdin })) {
  const [method, ...args] = JSON.parse(line);
  const [part, name] = method.split(".");
  let said;
  try {
    said = { answer: (await pgmq[part][name](...args)) ?? null };
  } catch (error) {
    said = { error: error.message, code: error.code };
  }
  console.log(JSON.stringify(said));
}
await pgmq.close();
