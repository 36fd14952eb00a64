/* The page for addresses that lead nowhere. */

import { layout } from './layout.js';

layout('missing.title');
