import type { Row } from "./row.ts";
import { burst } from "./rows/burst.ts";
import { cage } from "./rows/cage.ts";
import { cancel } from "./rows/cancel.ts";
import { decide } from "./rows/decide.ts";
import { echo } from "./rows/echo.ts";
import { history } from "./rows/history.ts";
import { idle } from "./rows/idle.ts";
import { output } from "./rows/output.ts";
import { queue } from "./rows/queue.ts";
import { size } from "./rows/size.ts";
import { start } from "./rows/start.ts";
import { storesHistory } from "./rows/stores-history.ts";
import { stores } from "./rows/stores.ts";

/** In the order in which they run. */
export const rows: readonly Row[] = [
  decide,
  cage,
  echo,
  burst,
  queue,
  idle,
  history,
  size,
  output,
  cancel,
  start,
  stores,
  storesHistory,
];
