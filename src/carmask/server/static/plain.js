// Pages without anything of their own.
import { $, setTheme } from "/static/common.js";

setTheme($("theme"));
