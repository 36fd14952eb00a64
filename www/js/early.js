/* Before the first paint: theme and language, so that nothing flashes. A classic script in <head>; theme.js and
 * i18n.js go on with what stands in <html> afterwards. */
(() => {
	const kept = (name) => {
		try {
			return localStorage.getItem(`wapool.${name}`);
		} catch {
			return null; /* storage is switched off */
		}
	};
	const page = document.documentElement;
	const theme = kept('theme');

	page.dataset.theme = theme === 'light' || theme === 'dark' ? theme
		: matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light';

	/* As nginx decides (nginx/wapool-http.conf): English if it is wanted before Portuguese, or without it. */
	const wanted = [kept('language'), ...navigator.languages]
		.map((tag) => (tag || '').toLowerCase().split('-')[0])
		.find((tag) => tag === 'pt' || tag === 'en');
	page.lang = wanted === 'en' ? 'en' : 'pt-BR';
})();
