/* Light or dark: the system's, until somebody chooses. early.js has set <html data-theme> before the first paint. */

const system = matchMedia('(prefers-color-scheme: dark)');

function kept() {
	try {
		return localStorage.getItem('wapool.theme');
	} catch {
		return null;
	}
}

export function theme() {
	return document.documentElement.dataset.theme === 'dark' ? 'dark' : 'light';
}

/* 'light' or 'dark', for this and the next visits. A choice that is the system's own is forgotten: the page follows
 * the system again. Fires `wapool:theme` at document. */
export function setTheme(wanted) {
	try {
		if (wanted === (system.matches ? 'dark' : 'light'))
			localStorage.removeItem('wapool.theme');
		else
			localStorage.setItem('wapool.theme', wanted);
	} catch {
		/* storage is switched off: it holds for this page */
	}
	show(wanted);
}

function show(wanted) {
	document.documentElement.dataset.theme = wanted;
	document.dispatchEvent(new CustomEvent('wapool:theme', { detail: { theme: wanted } }));
}

system.addEventListener('change', () => {
	if (!kept())
		show(system.matches ? 'dark' : 'light');
});
