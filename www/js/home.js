/* The start page: log in, then connect. */

import { showConnect } from './connect.js';
import { layout } from './layout.js';
import { showLogin } from './login.js';
import { need, session } from './session.js';

const main = document.getElementById('main');

function show() {
	layout('login.title');
	if (session() && need())
		showConnect(main);
	else
		showLogin(main, show);
}

show();
