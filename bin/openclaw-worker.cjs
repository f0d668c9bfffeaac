#!/usr/bin/env node
// The command, run from a checkout.
"use strict";

require("../packages/cli/bin/openclaw-worker.cjs");
