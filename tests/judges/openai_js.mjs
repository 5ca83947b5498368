// The official OpenAI client for JavaScript against the embedded provider: node openai_js.mjs BASE_URL
// Prints one JSON object: the number of checks, and what was wrong.
import OpenAI from "openai";
import { VERSION } from "openai/version";

const client = new OpenAI({ baseURL: process.argv[2], apiKey: "sk-placeholder", maxRetries: 0 });
const messages = [{ role: "user", content: "Hello" }];
const weather = [{ role: "user", content: "What's the weather in Lima?" }];
const parameters = { type: "object", properties: { city: { type: "string" } }, required: ["city"] };
const tools = [{ type: "function", function: { name: "get_weather", parameters } }];
const chat = client.chat.completions;
const answer = "you said 'Hello'";
let count = 0;
const wrong = [];

async function check(what, run) {
  count += 1;
  try {
    if (!(await run())) wrong.push(`${what}: not as expected`);
  } catch (error) {
    wrong.push(`${what}: ${error}`);
  }
}

await check("chat", async () => (await chat.create({ model: "m", messages })).choices[0].message.content.includes(answer));
await check("stream", async () => {
  let text = "";
  for await (const chunk of await chat.create({ model: "m", messages, stream: true }))
    text += chunk.choices[0]?.delta.content ?? "";
  return text.includes(answer);
});
await check("usage of a stream", async () => {
  let usage;
  const stream = await chat.create({ model: "m", messages, stream: true, stream_options: { include_usage: true } });
  for await (const chunk of stream) usage = chunk.usage ?? usage;
  return usage.total_tokens > 0;
});
await check("stream helper", async () => (await chat.stream({ model: "m", messages }).finalContent()).includes(answer));
await check("tools", async () => {
  const [call] = (await chat.create({ model: "m", messages: weather, tools })).choices[0].message.tool_calls;
  return JSON.parse(call.function.arguments).city === "Lima";
});
await check("tools stream", async () => {
  const [call] = (await chat.stream({ model: "m", messages: weather, tools }).finalMessage()).tool_calls;
  return JSON.parse(call.function.arguments).city === "Lima";
});
await check("completion", async () =>
  (await client.completions.create({ model: "m", prompt: "Hello" })).choices[0].text.includes(answer));
await check("embeddings", async () =>
  typeof (await client.embeddings.create({ model: "m", input: ["a", "b"] })).data[1].embedding[0] === "number");
await check("models", async () => {
  let found = 0;
  for await (const _ of client.models.list()) found += 1;
  return found === 3;
});
await check("404", async () =>
  chat.create({ model: "missing", messages }).then(() => false, (error) => error instanceof OpenAI.NotFoundError));
for (const [status, kind] of [[401, OpenAI.AuthenticationError], [429, OpenAI.RateLimitError], [500, OpenAI.InternalServerError]])
  await check(`${status}`, async () => {
    const headers = { "x-llmsdk-fault": JSON.stringify({ status }) };
    return chat.create({ model: "m", messages }, { headers }).then(() => false, (error) => error instanceof kind);
  });
await check("error in a stream", async () => {
  const headers = { "x-llmsdk-fault": JSON.stringify({ in_band_error: [2, null] }) };
  try {
    for await (const _ of await chat.create({ model: "m", messages, stream: true }, { headers }));
  } catch (error) {
    return error instanceof OpenAI.APIError && error.message.includes("Scripted");
  }
  return false;
});

console.log(JSON.stringify({ version: VERSION, count, wrong }));
