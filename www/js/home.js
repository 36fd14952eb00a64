/* The start page: log in, then connect. */

import { layout } from './layout.js';
import { showLogin } from './login.js';
import { session } from './session.js';

const main = document.getElementById('main');

function show() {
	layout('nav.connect');
	if (!session())
		showLogin(main, show);
}

show();
