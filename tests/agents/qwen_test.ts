import { testAgent } from "./one_agent.ts";

testAgent("qwen");
