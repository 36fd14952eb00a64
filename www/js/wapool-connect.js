/* <wapool-connect>: the "Connect WhatsApp" button, with all that follows from a click.
 *
 * One module without dependencies, for pages of ours and of others: docs/embedding.md. It works under a strict
 * Content-Security-Policy (no inline style, no HTML from strings); img-src needs data:.
 *
 *   attributes   base-url, lang, token, device-id, new-device, device-name, heading-level, autostart
 *   properties   token, getToken, live, state, deviceId
 *   methods      connect(), disconnect(), refresh()
 *   events       wapool:state, wapool:connected, wapool:disconnected, wapool:cancelled, wapool:error
 *
 * In four parts: words, looks, the API, the element. The element is a machine of the views at #draw: an answer or a click
 * leads to #enter(view), which draws it anew; what lives in a view (the countdown, the code's picture) is changed in place. */

/* --- Words. People hear of WhatsApp, their phone and a code, and of nothing else. --- */

const words = {
	pt: {
		loading: 'Verificando…',
		idleTitle: 'Conecte o seu WhatsApp',
		idleText: 'Você vai ler um código com o celular, como no WhatsApp Web. Leva menos de um minuto.',
		connect: 'Conectar WhatsApp',
		useCode: 'Conectar com um código',
		useCodeHint: 'Está usando o celular do próprio WhatsApp? Conecte com um código, sem câmera.',
		useQr: 'Usar o QR Code',
		cancel: 'Cancelar',
		startingTitle: 'Preparando o seu QR Code…',
		startingCodeTitle: 'Preparando o seu código…',
		startingSlow: 'Está demorando um pouco mais que de costume. Pode deixar esta página aberta.',
		qrTitle: 'Leia o QR Code com o celular',
		qrAlt: 'QR Code para conectar o seu WhatsApp',
		step1: 'Abra o WhatsApp no celular.',
		step2: 'Toque em Mais opções (⋮) ou em Configurações e depois em Dispositivos conectados.',
		step3: 'Toque em Conectar dispositivo e aponte a câmera para este código.',
		renews: 'Novo código em {n} s',
		renewing: 'Buscando um código novo…',
		pairingTitle: 'Código lido. Conectando…',
		pairingText: 'Deixe o WhatsApp aberto no celular por alguns instantes.',
		phoneTitle: 'Conectar com um código',
		phoneText: 'Digite o número do WhatsApp, com DDD. Você vai receber aqui um código para digitar no celular.',
		phoneLabel: 'Número do WhatsApp',
		phoneHint: 'Exemplo: (11) 99999-9999. Para números de fora do Brasil, comece com + e o código do país.',
		phoneBad: 'Confira o número: com DDD, e só números.',
		getCode: 'Gerar código',
		codeTitle: 'Digite este código no celular',
		copy: 'Copiar código',
		copied: 'Copiado',
		codeStep3: 'Toque em Conectar dispositivo e em Conectar com número de telefone.',
		codeStep4: 'Digite o código.',
		waiting: 'Esperando o seu celular…',
		otherCode: 'Gerar outro código',
		expiredTitle: 'O código expirou',
		expiredText: 'Ninguém leu o código a tempo. Quando estiver com o celular na mão, mostre um novo.',
		showAgain: 'Mostrar novo código',
		connectedTitle: 'WhatsApp conectado',
		connectedNoNumber: 'Pronto para usar.',
		disconnect: 'Desconectar',
		disconnecting: 'Desconectando…',
		notDisconnected: 'Não foi possível desconectar agora. Tente de novo em instantes.',
		askTitle: 'Desconectar este WhatsApp?',
		askText: 'As mensagens deixam de passar por este número até você conectar de novo.',
		askYes: 'Desconectar',
		askNo: 'Manter conectado',
		reconnectingTitle: 'Reconectando o WhatsApp…',
		reconnectingText: 'Perdemos o contato com o celular. Normalmente ele volta sozinho em menos de um minuto.',
		reconnectingLong: 'Confira se o celular está ligado e com internet. Se não voltar, conecte de novo.',
		connectAgain: 'Conectar de novo',
		wasDisconnected: 'O WhatsApp foi desconectado. Conecte de novo quando quiser.',
		didDisconnect: 'WhatsApp desconectado.',
		soonTitle: 'Só mais um instante',
		soonText: 'Estamos preparando uma conexão para você. Isso leva alguns segundos.',
		soonLong: 'Ainda estamos preparando uma conexão para você: agora não há nenhuma livre. Pode levar uns dois minutos.',
		fullText: 'Todas as conexões estão em uso agora. Assim que uma ficar livre, ela é sua.',
		slowText: 'O WhatsApp está demorando para responder.',
		maintenanceText: 'Estamos em manutenção. Você não precisa fazer nada: continuamos quando ela terminar.',
		oftenText: 'Foram muitos pedidos em pouco tempo.',
		unavailableText: 'O nosso serviço está se recuperando de uma falha.',
		againIn: 'Tentamos de novo sozinhos em {n} s.',
		againNow: 'Tentando de novo…',
		tryNow: 'Tentar agora',
		failedTitle: 'Não deu certo desta vez',
		failedText: 'Tentamos algumas vezes e o WhatsApp não respondeu. Tente de novo em alguns minutos.',
		emptyFailed: 'Esperamos dois minutos e nenhuma conexão ficou livre. Nada está errado com o seu celular. Tente de novo em alguns minutos.',
		maintenanceFailed: 'A manutenção ainda não terminou. Tente de novo mais tarde.',
		unavailableFailed: 'O nosso serviço ainda não se recuperou da falha. Tente de novo em alguns minutos.',
		unreachableFailed: 'Não conseguimos falar com o serviço. Confira a sua internet e tente de novo.',
		oftenFailed: 'Foram muitos pedidos em pouco tempo. Tente de novo em {time}.',
		keysFailed: 'Esta conta atingiu o seu limite de pedidos por dia. Tente de novo em {time}.',
		inMinutes: '{n} min',
		inHours: '{n} h',
		codeFailed: 'Não foi possível gerar um código para esse número. Confira o número, ou use o QR Code.',
		internal: 'Algo deu errado do nosso lado. Tente de novo; se continuar, fale com o suporte.',
		support: 'Para o suporte: {id}',
		limitTitle: 'Limite de números atingido',
		limitText: 'Você já tem todos os números que pode ter. Para conectar outro, remova um deles.',
		goneTitle: 'Este número não está mais na sua conta',
		goneText: 'Ele pode ter sido removido em outra janela. Atualize a página.',
		unknownTitle: 'Não conseguimos ver o estado do seu WhatsApp',
		offline: 'Sem internet. Continuamos assim que ela voltar.',
		unreachable: 'Não estamos conseguindo falar com o serviço. Tentamos de novo sozinhos.',
		retry: 'Tentar de novo',
		deniedTitle: 'Entre na sua conta',
		deniedText: 'Seu acesso expirou. Entre de novo para continuar.',
	},
	en: {
		loading: 'Checking…',
		idleTitle: 'Connect your WhatsApp',
		idleText: 'You will scan a code with your phone, as for WhatsApp Web. It takes less than a minute.',
		connect: 'Connect WhatsApp',
		useCode: 'Connect with a code',
		useCodeHint: 'Is this the phone your WhatsApp is on? Connect with a code, without a camera.',
		useQr: 'Use the QR code',
		cancel: 'Cancel',
		startingTitle: 'Preparing your QR code…',
		startingCodeTitle: 'Preparing your code…',
		startingSlow: 'This takes a little longer than usual. You can leave this page open.',
		qrTitle: 'Scan the QR code with your phone',
		qrAlt: 'QR code to connect your WhatsApp',
		step1: 'Open WhatsApp on your phone.',
		step2: 'Tap More options (⋮) or Settings, then Linked devices.',
		step3: 'Tap Link a device and point the camera at this code.',
		renews: 'New code in {n} s',
		renewing: 'Getting a new code…',
		pairingTitle: 'Scanned. Connecting…',
		pairingText: 'Leave WhatsApp open on your phone for a moment.',
		phoneTitle: 'Connect with a code',
		phoneText: 'Enter the number of your WhatsApp. You will get a code here, to type on the phone.',
		phoneLabel: 'WhatsApp number',
		phoneHint: 'Numbers of Brazil: (11) 99999-9999. Others begin with + and the country code.',
		phoneBad: 'Check the number: with area code, and digits only.',
		getCode: 'Get a code',
		codeTitle: 'Type this code on your phone',
		copy: 'Copy code',
		copied: 'Copied',
		codeStep3: 'Tap Link a device, then Link with phone number instead.',
		codeStep4: 'Type the code.',
		waiting: 'Waiting for your phone…',
		otherCode: 'Get another code',
		expiredTitle: 'The code has expired',
		expiredText: 'Nobody used it in time. When you have your phone at hand, show a new one.',
		showAgain: 'Show a new code',
		connectedTitle: 'WhatsApp is connected',
		connectedNoNumber: 'Ready to use.',
		disconnect: 'Disconnect',
		disconnecting: 'Disconnecting…',
		notDisconnected: 'It could not be disconnected just now. Try again in a moment.',
		askTitle: 'Disconnect this WhatsApp?',
		askText: 'No messages go through this number until you connect it again.',
		askYes: 'Disconnect',
		askNo: 'Keep it connected',
		reconnectingTitle: 'Reconnecting WhatsApp…',
		reconnectingText: 'We have lost touch with the phone. Usually it comes back by itself within a minute.',
		reconnectingLong: 'Check that the phone is on and has internet. If it does not come back, connect again.',
		connectAgain: 'Connect again',
		wasDisconnected: 'WhatsApp was disconnected. Connect again whenever you like.',
		didDisconnect: 'WhatsApp is disconnected.',
		soonTitle: 'Just a moment',
		soonText: 'We are preparing a connection for you. That takes a few seconds.',
		soonLong: 'We are still preparing a connection for you: none is free right now. It may take some two minutes.',
		fullText: 'All connections are in use right now. The next free one is yours.',
		slowText: 'WhatsApp is slow to answer.',
		maintenanceText: 'We are doing maintenance. You need not do anything: we go on when it is over.',
		oftenText: 'Those were many requests in a short time.',
		unavailableText: 'Our service is recovering from a failure.',
		againIn: 'We try again by ourselves in {n} s.',
		againNow: 'Trying again…',
		tryNow: 'Try now',
		failedTitle: 'That did not work this time',
		failedText: 'We tried several times, and WhatsApp did not answer. Try again in a few minutes.',
		emptyFailed: 'We waited two minutes, and no connection became free. Nothing is wrong with your phone. Try again in a few minutes.',
		maintenanceFailed: 'Maintenance is not over yet. Try again later.',
		unavailableFailed: 'Our service has not recovered from its failure yet. Try again in a few minutes.',
		unreachableFailed: 'We could not reach the service. Check your internet and try again.',
		oftenFailed: 'Those were many requests in a short time. Try again in {time}.',
		keysFailed: 'This account has made all the requests it may make in a day. Try again in {time}.',
		inMinutes: '{n} min',
		inHours: '{n} h',
		codeFailed: 'No code could be made for that number. Check it, or use the QR code.',
		internal: 'Something went wrong on our side. Try again; if it goes on, tell support.',
		support: 'For support: {id}',
		limitTitle: 'No more numbers',
		limitText: 'You have all the numbers you may have. Remove one to connect another.',
		goneTitle: 'This number is no longer in your account',
		goneText: 'It may have been removed in another window. Reload the page.',
		unknownTitle: 'We cannot see the state of your WhatsApp',
		offline: 'No internet. We go on as soon as it is back.',
		unreachable: 'We cannot reach the service. We keep trying.',
		retry: 'Try again',
		deniedTitle: 'Log in to your account',
		deniedText: 'You have been logged out. Log in again to go on.',
	},
};

/* --- Looks. --wapool-… of the page's style sheet, and ::part(…), change them; dark goes by `color-scheme`. --- */

const style = new CSSStyleSheet();

style.replaceSync(`
:host {
	/* Names of their own: a page may say --wapool-accent: var(--accent). */
	--_accent: var(--wapool-accent, #0b6b4f);
	--_on-accent: var(--wapool-on-accent, #ffffff);
	--_danger: var(--wapool-danger, #b3261e);
	--_muted: var(--wapool-muted, #53625b);
	--_line: var(--wapool-line, #dce3df);
	--_edge: var(--wapool-edge, #7d8b84);
	--_surface: var(--wapool-surface, #ffffff);
	--_soft: var(--wapool-soft, #eef2f0);
	--_radius: var(--wapool-radius, 8px);
	display: block;
	container-type: inline-size;
	line-height: 1.5;
	overflow-wrap: break-word;
}
@supports (color: light-dark(red, blue)) {
	:host {
		--_accent: var(--wapool-accent, light-dark(#0b6b4f, #52cda0));
		--_on-accent: var(--wapool-on-accent, light-dark(#ffffff, #04241a));
		--_danger: var(--wapool-danger, light-dark(#b3261e, #ff9389));
		--_muted: var(--wapool-muted, light-dark(#53625b, #a5b3ac));
		--_line: var(--wapool-line, light-dark(#dce3df, #2b3531));
		--_edge: var(--wapool-edge, light-dark(#7d8b84, #71817a));
		--_surface: var(--wapool-surface, light-dark(#ffffff, #171e1b));
		--_soft: var(--wapool-soft, light-dark(#eef2f0, #1f2824));
	}
}
:host([hidden]), [hidden] { display: none !important; }
*, ::before, ::after { box-sizing: border-box; }
p, h1, h2, h3, h4, h5, h6, ol, figure { margin: 0; padding: 0; }
.title { font-size: 1.1875em; line-height: 1.3; font-weight: 650; letter-spacing: -0.01em; text-wrap: balance; }
h1.title { font-size: 1.625em; line-height: 1.25; }
.title:focus { outline: none; }
.view { display: grid; gap: 1.25em; justify-items: start; align-content: start; }
.view > * { min-width: 0; max-width: 100%; }
.view > .view, .pair { width: 100%; }
.text { color: var(--_muted); max-width: 34em; text-wrap: pretty; }
.head { display: grid; gap: 0.375em; }
.actions { display: flex; flex-wrap: wrap; gap: 0.25em 1.25em; align-items: center; }
.row { display: flex; gap: 0.75em; align-items: center; }
button, input {
	min-height: 44px;
	border-radius: var(--_radius);
	font: inherit;
	color: inherit;
}
button {
	display: inline-flex;
	align-items: center;
	justify-content: center;
	padding: 0.5em 1.125em;
	border: 1px solid var(--_edge);
	background: var(--_surface);
	font-weight: 550;
	cursor: pointer;
}
button:hover { background: var(--_soft); }
.primary { border-color: var(--_accent); background: var(--_accent); color: var(--_on-accent); }
.primary:hover { background: var(--_accent); filter: brightness(1.08); }
.big { min-height: 52px; padding: 0.75em 1.75em; font-size: 1.0625em; }
.danger { border-color: var(--_danger); background: var(--_danger); color: var(--_surface); }
.danger:hover { background: var(--_danger); filter: brightness(1.08); }
.quiet { border-color: transparent; background: none; color: var(--_accent); padding-inline: 0; }
.quiet:hover { background: none; text-decoration: underline; text-underline-offset: 0.2em; }
button:disabled { opacity: 0.6; cursor: default; filter: none; }
input { width: 100%; padding: 0.5em 0.75em; border: 1px solid var(--_edge); background: var(--_surface); font-size: 1.125em; }
input[aria-invalid="true"] { border-color: var(--_danger); box-shadow: inset 0 0 0 1px var(--_danger); }
:focus-visible { outline: 3px solid var(--_accent); outline-offset: 2px; }
form { display: grid; gap: 1.25em; width: min(26em, 100%); }
label { font-weight: 550; }
.field { display: grid; gap: 0.375em; }
.hint { color: var(--_muted); font-size: 0.875em; }
.wrong { color: var(--_danger); }
.notice { width: 100%; padding: 0.75em 1em; border-left: 4px solid var(--_edge); border-radius: var(--_radius); background: var(--_soft); }
.pair { display: grid; gap: 1.25em 3em; max-width: 46em; justify-items: start; }
@container (max-width: 38em) {
	/* On a phone the code comes right below the title. */
	.pair > .view { display: contents; }
	.pair .notice { order: -1; }
	.pair figure, .pair .is-first { order: 1; }
	.pair .steps, .pair .actions, .pair .last { order: 2; }
}
@container (min-width: 38em) {
	.pair { grid-template-columns: minmax(0, 1fr) minmax(14em, var(--wapool-qr-size, 17.5em)); align-items: center; }
	.pair.is-code { grid-template-columns: minmax(0, 1fr) auto; align-items: start; }
}
.between { display: flex; flex-wrap: wrap; gap: 1.25em; align-items: center; justify-content: space-between; width: 100%; max-width: 68em; }
.steps { display: grid; gap: 0.875em; padding: 0; list-style: none; counter-reset: step; max-width: 30em; }
.steps li { display: grid; grid-template-columns: 1.75em 1fr; gap: 0.75em; counter-increment: step; }
.steps li::before {
	content: counter(step);
	display: grid;
	place-items: center;
	height: 1.75em;
	border-radius: 50%;
	background: var(--_soft);
	font-weight: 650;
	font-size: 0.9375em;
}
figure { display: grid; gap: 0.75em; justify-self: center; width: min(var(--wapool-qr-size, 17.5em), 100%); }
.paper { padding: 0.25em; border: 1px solid var(--_line); border-radius: min(var(--_radius) * 1.5, 14px); background: #ffffff; }
.paper img { display: block; width: 100%; height: auto; aspect-ratio: 1; image-rendering: pixelated; }
.ghost {
	display: grid;
	place-items: center;
	aspect-ratio: 1;
	border-radius: calc(var(--_radius) * 1.5);
	background: var(--_soft);
	color: var(--_edge);
}
.ghost svg { width: 45%; fill: none; stroke: currentcolor; stroke-width: 1.25; stroke-linejoin: round; opacity: 0.7; }
.ghost .spinner { width: 3em; height: 3em; border-width: 4px; }
@container (max-width: 38em) {
	figure.is-idle { display: none; }
}
.life { height: 4px; border-radius: 2px; background: var(--_soft); overflow: hidden; }
.life span { display: block; height: 100%; border-radius: 2px; background: var(--_accent); transform-origin: left; transition: transform 1s linear; }
figcaption { color: var(--_muted); font-size: 0.9375em; text-align: center; font-variant-numeric: tabular-nums; }
.code {
	display: flex;
	flex-wrap: wrap;
	gap: 0.3em;
	padding: 0.625em 0.75em;
	border: 1px solid var(--_line);
	border-radius: calc(var(--_radius) * 1.5);
	background: var(--_soft);
	font: 650 clamp(1.375em, 7.5cqi, 2.25em)/1.2 ui-monospace, SFMono-Regular, Menlo, Consolas, "Liberation Mono", monospace;
	letter-spacing: 0.08em;
	user-select: all;
}
.who { font-size: 1.25em; font-weight: 600; font-variant-numeric: tabular-nums; }
.mark { flex: none; width: 2.75em; height: 2.75em; border-radius: 50%; background: var(--_accent); display: grid; place-items: center; }
.mark svg { width: 1.5em; height: 1.5em; fill: none; stroke: var(--_on-accent); stroke-width: 2.5; stroke-linecap: round; stroke-linejoin: round; }
.spinner { flex: none; width: 1.5em; height: 1.5em; border: 3px solid var(--_line); border-top-color: var(--_accent); border-radius: 50%; animation: turn 0.9s linear infinite; }
@keyframes turn { to { transform: rotate(1turn); } }
dialog { width: min(28em, calc(100vw - 2em)); padding: 1.5em; border: 1px solid var(--_line); border-radius: calc(var(--_radius) * 1.5); background: var(--_surface); color: inherit; }
dialog::backdrop { background: rgb(8 16 12 / 55%); }
dialog > * + * { margin-top: 0.75em; }
dialog .actions { margin-top: 1.5em; gap: 0.75em; justify-content: flex-end; }
@media (max-width: 30em) {
	dialog .actions { flex-direction: column-reverse; align-items: stretch; }
}
.unseen { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
@media (prefers-reduced-motion: reduce) {
	.spinner { animation: none; }
	.life span { transition: none; }
}
`);

/* --- Small things --- */

function h(tag, attributes, ...children) {
	const element = document.createElement(tag);

	for (const [name, value] of Object.entries(attributes ?? {})) {
		if (typeof value === 'function')
			element.addEventListener(name, value);
		else if (value !== false && value !== null && value !== undefined)
			element.setAttribute(name, value === true ? '' : value);
	}
	element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
	return element;
}

/* Line drawings in a box of 24, for the eye only. */
function drawing(path) {
	const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
	const line = document.createElementNS('http://www.w3.org/2000/svg', 'path');

	svg.setAttribute('viewBox', '0 0 24 24');
	svg.setAttribute('aria-hidden', 'true');
	line.setAttribute('d', path);
	svg.append(line);
	return svg;
}

const TICK = 'M5 12.5l4.5 4.5L19 7.5';
const QR = 'M3 3h7v7H3ZM14 3h7v7h-7ZM3 14h7v7H3ZM6 6h1v1H6ZM17 6h1v1h-1ZM6 17h1v1H6ZM14 14h3v3h-3ZM20 14h1v4M14 20h2M19 21h2';

/* Where the code will be, so that nothing jumps when it comes. */
function ghost(waits) {
	return h('figure', { part: 'qr', class: waits ? null : 'is-idle', 'aria-hidden': 'true' },
		h('div', { class: waits ? 'ghost' : 'ghost is-idle' }, waits ? spinner() : drawing(QR)));
}

function spinner() {
	return h('span', { class: 'spinner', 'aria-hidden': 'true' });
}

/* "5511999999999@c.us" as it is written: +55 11 99999-9999. Others keep their digits. */
export function phoneText(id) {
	const digits = String(id ?? '').split('@')[0].split(':')[0].replace(/\D/g, '');
	const brazil = /^55(\d\d)(\d{4,5})(\d{4})$/.exec(digits);

	return brazil ? `+55 ${brazil[1]} ${brazil[2]}-${brazil[3]}` : digits ? `+${digits}` : '';
}

/* What somebody types, as the API wants it: with the country, which is Brazil's if none is given. '' if it is no number. */
export function phoneNumber(typed) {
	const digits = typed.replace(/\D/g, '');
	const national = digits.replace(/^0+/, '');

	if (/[^\d\s()+.-]/.test(typed.trim()))
		return '';
	if (typed.trim().startsWith('+'))
		return digits.length >= 8 && digits.length <= 15 ? digits : '';
	if (national.length === 10 || national.length === 11)
		return `55${national}`;
	return /^55\d{10,11}$/.test(national) ? national : '';
}

function randomKey() {
	return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/* --- The API --- */

/* code: the end of the problem's type, or 'offline' (no answer), 'aborted'. */
class Failure extends Error {
	constructor(code, members = {}) {
		super(members.detail || code);
		Object.assign(this, { code, status: 0, title: '', detail: '', retryAfter: null, requestId: null }, members);
	}

	/* Goes away by itself. */
	get passing() {
		return this.code === 'offline' || this.code === 'idempotency-busy' || this.status === 429 || this.status >= 502;
	}
}

/* Waits for an answer longer than nginx does (130 s), and not for ever. */
const PATIENCE = 135000;

async function ask(method, url, { token, language, body, key, signal }) {
	const controller = new AbortController();
	const stop = () => controller.abort();
	const timer = setTimeout(stop, PATIENCE);
	const headers = { Accept: 'application/json', 'Accept-Language': language, Authorization: `Bearer ${token}` };

	if (body)
		headers['Content-Type'] = 'application/json';
	if (key)
		headers['Idempotency-Key'] = key;
	signal?.addEventListener('abort', stop);
	try {
		const answer = await fetch(url, { method, headers, body: body && JSON.stringify(body), signal: controller.signal,
			cache: 'no-store', credentials: 'omit', redirect: 'error', referrerPolicy: 'no-referrer' });

		if (!answer.ok)
			throw await failureOf(answer);
		return await answer.json();
	} catch (error) {
		throw error instanceof Failure ? error : new Failure(signal?.aborted ? 'aborted' : 'offline');
	} finally {
		clearTimeout(timer);
		signal?.removeEventListener('abort', stop);
	}
}

async function failureOf(answer) {
	const body = await answer.json().catch(() => ({}));
	const seconds = Number.parseInt(answer.headers.get('Retry-After') ?? '', 10);

	return new Failure(/([a-z-]+)$/.exec(body.type ?? '')?.[1] ?? 'unknown', { status: answer.status,
		title: body.title ?? '', detail: body.detail ?? '', requestId: body.requestId ?? null,
		retryAfter: Number.isFinite(seconds) ? seconds : null });
}

/* --- The element --- */

const LIFE = 20;        /* seconds of a code of which the answer does not tell */
const RUNS = 3;         /* pairing runs without a scan until we ask whether somebody is there */
const GRACE = 5000;     /* ms that a page may take to give a token */
const PATIENT = 120;    /* seconds that a person waits for a connect that fails for a while */
const LONGEST = 10;     /* seconds between two tries, if no answer asks for more */

/* Why somebody has to wait, by the problem's code; else his WhatsApp is slow. */
const reasons = { 'pool-empty': 'soonText', 'no-room': 'fullText', maintenance: 'maintenanceText', unavailable: 'unavailableText' };

/* Seconds, where whoever waits is told that he need not stay. */
const patience = { maintenance: 900 };

/* What is said to who has waited in vain. */
const failures = { 'pool-empty': 'emptyFailed', 'no-room': 'emptyFailed', maintenance: 'maintenanceFailed',
	unavailable: 'unavailableFailed', offline: 'unreachableFailed', 'idempotency-full': 'keysFailed' };

/* Milliseconds between two looks where there is no live stream; a hidden page looks a fifth as often. */
const pace = { qr: 2000, code: 2000, pairing: 1000, reconnecting: 3000, unknown: 4000, connected: 15000, expired: 15000, idle: 30000 };

export class WapoolConnect extends HTMLElement {
	static observedAttributes = ['lang', 'heading-level', 'token', 'base-url', 'device-id'];

	#live = null;
	#token = null;
	#getToken = null;
	#device = null;
	#view = '';
	#started = false;      /* there was somebody to ask for */
	#facts = {};           /* of the view: phone, name, code, notice … */
	#began = 0;            /* when the view was entered */
	#stream = null;
	#timers = { look: 0, beat: 0, token: 0 };
	#job = null;           /* AbortController of a running connect */
	#looking = false;
	#lookAgain = false;
	#epoch = 0;            /* grows with each click: answers to questions of before are dropped */
	#qr = { picture: '', until: 0, life: LIFE, fetching: false, again: false, after: 0 };
	#runs = 0;
	#trouble = '';         /* 'offline' or 'unreachable': the notice above the view */
	#parts = {};
	#root = this.attachShadow({ mode: 'open' });

	/* -- What a page sees -- */

	/* loading, idle, connecting, waiting, qr, phone, code, pairing, connected, reconnecting, expired, failed, unknown, denied */
	get state() {
		return this.#view;
	}

	get token() {
		return this.#token ?? this.getAttribute('token');
	}

	set token(value) {
		this.#token = value || null;
		this.#mayStart();
	}

	/* A function that gives a token or a promise of one; told { refresh: true } after a 401. */
	get getToken() {
		return this.#getToken;
	}

	set getToken(value) {
		this.#getToken = value || null;
		this.#mayStart();
	}

	/* The function `live` of js/live.js, or one that is used like it: then nothing is polled while its stream stands. */
	get live() {
		return this.#live;
	}

	set live(value) {
		this.#live = value || null;
		if (this.#started)
			this.#openStream();
	}

	get deviceId() {
		return this.#device ?? this.getAttribute('device-id');
	}

	/* As a click on the button does. */
	connect() {
		this.#runs = 0;
		return this.#run({ method: 'qr' });
	}

	/* Without asking. */
	async disconnect() {
		const before = this.#view;

		this.#click();
		this.#patch('disconnect', (button) => {
			button.disabled = true;
			button.textContent = this.#say('disconnecting');
		});
		try {
			await this.#call('POST', 'api/whatsapp/disconnect', { body: this.#body() });
			this.#enter('idle', { notice: 'didDisconnect' }, true);
			this.#tell('wapool:disconnected', { deviceId: this.deviceId, byUser: true });
		} catch (error) {
			this.#report(error);
			this.#enter(error.status === 401 ? 'denied' : before, { ...this.#facts, notice: 'notDisconnected' }, true);
			this.#look();
		}
	}

	/* Looks at the state now. */
	refresh() {
		return this.#look();
	}

	/* -- Its life in a page -- */

	connectedCallback() {
		this.#root.adoptedStyleSheets = [style];
		if (!this.#parts.main) {
			this.#parts.status = h('p', { class: 'unseen', role: 'status' });
			this.#parts.notice = h('p', { class: 'notice', part: 'notice', role: 'alert', hidden: true });
			this.#parts.main = h('div', { class: 'view', part: 'view' });
			this.#root.append(this.#parts.status, h('div', { class: 'view' }, this.#parts.notice, this.#parts.main));
		}
		['live', 'token', 'getToken'].filter((name) => Object.hasOwn(this, name)).forEach((name) => this.#adopt(name));
		addEventListener('online', this.#wake);
		addEventListener('offline', this.#wake);
		document.addEventListener('visibilitychange', this.#wake);
		this.#enter('loading');
		/* A page may set its properties right after it has made the element. */
		queueMicrotask(() => this.isConnected && !this.#started && this.#start());
	}

	/* What was set before this module was there hides the property. */
	#adopt(name) {
		const value = this[name];

		delete this[name];
		this[name] = value;
	}

	disconnectedCallback() {
		this.#started = false;
		this.#epoch++;
		this.#job?.abort();
		this.#stream?.close();
		this.#stream = null;
		Object.values(this.#timers).forEach(clearTimeout);
		removeEventListener('online', this.#wake);
		removeEventListener('offline', this.#wake);
		document.removeEventListener('visibilitychange', this.#wake);
	}

	attributeChangedCallback(name, before, now) {
		if (!this.#parts.main || before === now)
			return;
		if (name === 'lang' || name === 'heading-level')
			this.#draw();
		else if (this.isConnected && (name !== 'device-id' || now !== this.#device))
			this.#start();
	}

	#wake = () => {
		if (navigator.onLine && !document.hidden) {
			if (this.#view === 'waiting')
				this.#facts.until = 0;
			this.#look();
			this.#mayBeOld();
		}
		this.#setTrouble(navigator.onLine ? this.#trouble : 'offline');
	};

	/* A page may give its token late. */
	#mayStart() {
		if (this.isConnected && this.#parts.main && (!this.#started || this.#view === 'denied'))
			this.#start();
	}

	#start() {
		clearTimeout(this.#timers.token);
		this.#started = Boolean(this.token || this.getToken);
		if (!this.#started) {
			this.#enter('loading');
			this.#timers.token = setTimeout(() => this.#enter('denied'), GRACE);
			return;
		}
		this.#click();
		this.#device = null;
		this.#openStream();
		if (this.hasAttribute('new-device') && !this.deviceId) {
			this.#enter('idle');
			if (this.hasAttribute('autostart'))
				this.connect();
		} else {
			this.#enter('loading');
			this.#look();
		}
	}

	#openStream() {
		this.#stream?.close();
		this.#stream = this.live ? this.live({
			url: this.#url('api/whatsapp/events'),
			token: () => this.#bearer(),
			onSync: (why) => {
				this.#look();
				if (why === 'resumed')
					this.#mayBeOld();
			},
			onEvent: (event) => this.#heard(event),
			onDenied: () => this.#look(),
		}) : null;
	}

	/* News may have been missed, and clocks stand still while a computer sleeps. */
	#mayBeOld() {
		if (this.#view === 'qr')
			this.#fetchQr();
	}

	#heard(event) {
		if (event.deviceId && this.deviceId && event.deviceId !== this.deviceId)
			return;
		if (event.type === 'qr.updated' && this.#view === 'qr')
			this.#fetchQr();
		else
			this.#look();
	}

	/* -- Asking -- */

	#url(path) {
		const base = (this.getAttribute('base-url') ?? '').replace(/\/*$/, '/');

		return new URL(path, new URL(base, import.meta.url)).href;
	}

	/* A page that cannot get its token is as good as offline. */
	async #bearer(refresh = false) {
		try {
			return this.getToken ? await this.getToken({ refresh }) : this.token;
		} catch {
			throw new Failure('offline');
		}
	}

	#body(more = {}) {
		return this.deviceId ? { deviceId: this.deviceId, ...more } : more;
	}

	/* With a new token once, if there is one to be had. */
	async #call(method, path, options = {}) {
		const attempt = async (refresh) => {
			const token = await this.#bearer(refresh);

			if (!token)
				throw new Failure('unauthorized', { status: 401 });
			return ask(method, this.#url(path), { ...options, token, language: this.#language() === 'en' ? 'en' : 'pt-BR' });
		};

		try {
			return await attempt(false);
		} catch (error) {
			if (error.status !== 401 || !this.getToken)
				throw error;
			return attempt(true);
		}
	}

	#query() {
		return this.deviceId ? `?deviceId=${encodeURIComponent(this.deviceId)}` : '';
	}

	/* One look at a time; one that is wanted meanwhile follows. */
	async #look() {
		clearTimeout(this.#timers.look);
		if (this.#looking) {
			this.#lookAgain = true;
			return;
		}
		if (this.hasAttribute('new-device') && !this.deviceId)
			return;
		this.#looking = true;

		const epoch = this.#epoch;

		try {
			const found = await this.#call('GET', `api/whatsapp/my-connection${this.#query()}`);

			if (epoch === this.#epoch) {
				this.#setTrouble('');
				this.#device ??= found.deviceId ?? null;
				this.#learned(found);
			}
		} catch (error) {
			if (epoch === this.#epoch && this.isConnected)
				this.#lookFailed(error);
		} finally {
			this.#looking = false;
			this.#plan();
		}
	}

	#plan() {
		clearTimeout(this.#timers.look);
		if (!this.isConnected)
			return;
		if (this.#lookAgain) {
			this.#lookAgain = false;
			this.#look();
			return;
		}

		const wait = this.#stream && !this.#trouble && this.#view !== 'pairing' ? 0 : pace[this.#view] ?? 0;

		if (wait)
			this.#timers.look = setTimeout(() => this.#look(), wait * (document.hidden ? 5 : 1) * (0.9 + 0.2 * Math.random()));
	}

	#lookFailed(error) {
		if (error.status === 401)
			this.#enter('denied', {}, true);
		else if (error.code === 'device-not-found')
			this.#enter('failed', { title: 'goneTitle', text: 'goneText', final: true }, true);
		else if (error.passing || error.status >= 500)
			this.#setTrouble(navigator.onLine ? 'unreachable' : 'offline');
		if (['loading', 'unknown'].includes(this.#view) && error.status !== 401)
			this.#enter('unknown');
		this.#report(error);
	}

	/* -- What an answer means in the view that is shown -- */

	#learned(found) {
		const scanning = found.status === 'SCAN_QR_CODE';

		if (found.connected)
			this.#isConnected(found);
		else if (this.#view === 'connected' || this.#view === 'reconnecting')
			this.#lost(found, scanning);
		else if (this.#view === 'qr' || this.#view === 'code' || this.#view === 'pairing')
			this.#stillPairing(found, scanning);
		else if (this.#view === 'loading' || this.#view === 'unknown')
			this.#firstLook(found, scanning);
	}

	#isConnected(found) {
		const facts = { phone: phoneText(found.phoneNumber), name: found.profileName ?? '' };
		const news = this.#view !== 'connected';
		const moved = !['loading', 'unknown', 'connected'].includes(this.#view);

		this.#job?.abort();
		if (news || facts.phone !== this.#facts.phone || facts.name !== this.#facts.name)
			this.#enter('connected', facts, moved);
		if (news)
			this.#tell('wapool:connected', { deviceId: found.deviceId ?? this.deviceId,
				phoneNumber: found.phoneNumber ?? null, profileName: found.profileName ?? null });
	}

	/* Was connected, as far as we knew. */
	#lost(found, scanning) {
		if (found.instanceName && !scanning) {
			if (this.#view === 'connected')
				this.#enter('reconnecting');
			return;
		}
		this.#enter('idle', { notice: 'wasDisconnected' });
		this.#tell('wapool:disconnected', { deviceId: this.deviceId, byUser: false });
	}

	#stillPairing(found, scanning) {
		if (scanning && this.#view !== 'pairing')
			return;
		if (found.status === 'STARTING') {
			if (this.#view !== 'pairing' && this.#age() > 1500)
				this.#enter('pairing');
		} else if (this.#view !== 'pairing' || scanning || this.#age() > 5000) {
			this.#ranOut();
		}
	}

	/* A page that was loaded anew shows the code again. */
	#firstLook(found, scanning) {
		if (scanning)
			this.#resume();
		else if (found.status === 'STARTING')
			this.#enter('reconnecting');
		else {
			this.#enter('idle');
			if (this.hasAttribute('autostart'))
				this.connect();
		}
	}

	#age() {
		return performance.now() - this.#began;
	}

	/* -- Connecting -- */

	/* Begins something that a person asked for: what was asked before counts no more. */
	#click() {
		this.#epoch++;
		this.#job?.abort();
		this.#job = null;
	}

	async #run({ method, phone }) {
		this.#click();

		const job = new AbortController();
		const isNew = this.hasAttribute('new-device') && !this.deviceId;
		const began = performance.now();
		let key = randomKey();

		this.#job = job;
		for (let tries = 1; !job.signal.aborted; tries++) {
			if (tries > 1 && this.#view === 'waiting')
				this.#triesAgain();
			else
				this.#enter('connecting', { method }, tries === 1);
			try {
				const answer = await this.#call('POST', isNew ? 'device/login' : 'api/whatsapp/connect', { key,
					signal: job.signal, body: this.#body({ method, phoneNumber: phone,
						nome: isNew ? this.getAttribute('device-name') || undefined : undefined }) });

				if (!job.signal.aborted)
					this.#answered(answer, tries > 1);
				return;
			} catch (error) {
				if (job.signal.aborted || error.code === 'aborted')
					return;
				this.#report(error);
				/* All the keys he may have are taken. Who asks twice for the same device is given the same: he needs none. */
				if (error.code === 'idempotency-full' && key && !isNew) {
					key = null;
					continue;
				}

				const waited = (performance.now() - began) / 1000;

				if (!error.passing || waited + (error.retryAfter ?? 0) > (patience[error.code] ?? PATIENT)
					|| (method === 'code' && error.code === 'gateway-failed')) {
					this.#wentWrong(error, { method, phone });
					return;
				}
				if (error.code !== 'offline' && key)
					key = randomKey();
				await this.#wait(error, tries, { method, waited, signal: job.signal });
			}
		}
	}

	/* The wait is over: what it was for stays to be read, until there is an answer. */
	#triesAgain() {
		this.#patch('again', (line) => {
			line.textContent = this.#say('againNow');
		});
	}

	/* Who is at one of its buttons stays there while the reason is the same. */
	#waits(facts) {
		if (this.#view === 'waiting' && this.#facts.text === facts.text)
			this.#facts = facts;
		else
			this.#enter('waiting', facts);
	}

	/* Until the time that the answer named, longer with each try, or until the network is back, or "Try now". */
	#wait(error, tries, { method, waited, signal }) {
		const asked = error.retryAfter ?? 0;
		const seconds = Math.ceil(Math.max(asked + Math.random() * Math.min(asked, 3) / 2,
			Math.min(2 * 1.5 ** (tries - 1), LONGEST) * (1 - Math.random() / 5)));
		const reason = reasons[error.code] ?? (error.status === 429 ? 'oftenText' : 'slowText');
		const text = reason === 'soonText' && waited > 15 ? 'soonLong' : reason;

		this.#setTrouble('');
		this.#waits({ method, text: !navigator.onLine ? 'offline' : error.code === 'offline' ? 'unreachable' : text,
			until: performance.now() + seconds * 1000 });
		return new Promise((resolve) => {
			const beat = () => {
				const left = Math.ceil((this.#facts.until - performance.now()) / 1000);

				if (signal.aborted || this.#view !== 'waiting' || (left <= 0 && navigator.onLine)) {
					clearInterval(timer);
					resolve();
				} else {
					this.#patch('again', (line) => {
						line.textContent = left > 0 && navigator.onLine ? this.#say('againIn', { n: left }) : '';
					});
				}
			};
			const timer = setInterval(beat, 250);

			beat();
		});
	}

	/* old: the answer may be one that was lost before, and its code a later one now. */
	#answered(answer, old) {
		this.#job = null;
		this.#setTrouble('');
		this.#device = answer.deviceId ?? this.#device;
		if (answer.connected) {
			this.#isConnected(answer);
		} else if (answer.method === 'code') {
			this.#enter('code', { code: answer.pairingCode }, true);
		} else {
			this.#runs++;
			this.#hold(old ? { ...answer, expiresIn: Math.min(answer.expiresIn ?? LIFE, LIFE) } : answer);
			this.#enter('qr', {}, true);
		}
		this.#plan();
	}

	async #resume() {
		const epoch = this.#epoch;

		try {
			const answer = await this.#call('GET', `api/whatsapp/qr${this.#query()}`);

			if (epoch !== this.#epoch || !this.isConnected)
				return;
			this.#runs = 1;
			this.#hold(answer);
			this.#enter('qr');
			this.#plan();
		} catch (error) {
			if (epoch === this.#epoch && this.isConnected)
				this.#enter(error.status === 401 ? 'denied' : 'idle');
		}
	}

	#hold({ qrCode, expiresIn: life = LIFE }) {
		this.#qr = { picture: qrCode, life, until: performance.now() + life * 1000, fetching: false, again: false, after: 0 };
	}

	/* Once a second: the countdown, and a new code at its end. */
	#beat() {
		clearTimeout(this.#timers.beat);
		if (this.#view !== 'qr' || !this.isConnected)
			return;

		const left = Math.max(0, Math.ceil((this.#qr.until - performance.now()) / 1000));

		this.#patch('life', (bar) => {
			bar.style.transform = `scaleX(${Math.max(0, left - 1) / this.#qr.life})`;
		});
		this.#patch('renews', (line) => {
			line.textContent = left ? this.#say('renews', { n: left }) : this.#say('renewing');
		});
		if (!left && !document.hidden && performance.now() >= this.#qr.after)
			this.#fetchQr();
		this.#timers.beat = setTimeout(() => this.#beat(), 1000);
	}

	/* One question at a time; a gateway that is late with its next code is asked again after a while, or when it tells. */
	async #fetchQr() {
		const shown = this.#qr;
		const epoch = this.#epoch;

		if (shown.fetching) {
			shown.again = true;
			return;
		}
		shown.fetching = true;
		shown.again = false;
		try {
			const answer = await this.#call('GET', `api/whatsapp/qr${this.#query()}`);

			if (epoch !== this.#epoch || this.#view !== 'qr')
				return;
			shown.fetching = false;
			if (answer.qrCode !== shown.picture) {
				this.#hold(answer);
				this.#patch('qr', (image) => {
					image.src = answer.qrCode;
				});
				this.#beat();
			} else if (shown.again) {
				this.#fetchQr();
			} else if (performance.now() < shown.until) {
				shown.until = performance.now() + (answer.expiresIn ?? LIFE) * 1000;
			} else {
				shown.after = performance.now() + 2500;
			}
		} catch {
			shown.fetching = false;
			shown.after = performance.now() + 3000;
			if (epoch === this.#epoch)
				this.#look();
		}
	}

	/* Nobody scanned in time: once more, while somebody looks at it. */
	#ranOut() {
		if (this.#view !== 'code' && this.#runs < RUNS && !document.hidden)
			this.#run({ method: 'qr' });
		else
			this.#enter('expired', { method: this.#view === 'code' ? 'code' : 'qr' });
	}

	/* Gives back what the click took: nobody scans it now. */
	async #cancel() {
		const made = this.hasAttribute('new-device') ? this.#device : null;

		this.#click();
		this.#enter('idle', {}, true);
		this.#tell('wapool:cancelled', { deviceId: this.deviceId });
		try {
			if (made)
				await this.#call('POST', 'device/logout', { body: { device_id: made, remove: true } });
			else if (!this.hasAttribute('new-device'))
				await this.#call('POST', 'api/whatsapp/disconnect', { body: this.#body() });
		} catch {
			/* It is given back by itself after a while. */
		}
	}

	/* -- Trouble -- */

	#wentWrong(error, { method, phone } = {}) {
		if (error.status === 401)
			this.#enter('denied', {}, true);
		else if (error.code === 'invalid-field' && method === 'code')
			this.#enter('phone', { phone, wrong: 'phoneBad' }, true);
		else if (method === 'code' && error.code === 'gateway-failed')
			this.#enter('phone', { phone, wrong: 'codeFailed' }, true);
		else if (error.code === 'device-limit')
			this.#enter('failed', { title: 'limitTitle', text: 'limitText', final: true }, true);
		else if (error.code === 'device-not-found')
			this.#enter('failed', { title: 'goneTitle', text: 'goneText', final: true }, true);
		else
			this.#enter('failed', { title: 'failedTitle', text: !error.passing ? 'internal' : failures[error.code]
				?? (error.status === 429 ? 'oftenFailed' : 'failedText'), after: error.retryAfter ?? 60, method,
				phone, id: error.passing ? null : error.requestId }, true);
	}

	#setTrouble(trouble) {
		this.#trouble = trouble;
		if (!this.#parts.notice)
			return;

		const shown = trouble && this.#view !== 'waiting' ? this.#say(trouble) : '';

		if (this.#parts.notice.textContent !== shown)
			this.#parts.notice.textContent = shown;
		this.#parts.notice.hidden = !shown;
	}

	#report(error) {
		this.#tell('wapool:error', { code: error.code, status: error.status, title: error.title, detail: error.detail,
			retryAfter: error.retryAfter, requestId: error.requestId });
	}

	#tell(type, detail) {
		this.dispatchEvent(new CustomEvent(type, { detail, bubbles: true, composed: true }));
	}

	/* -- Words -- */

	#language() {
		const tag = this.getAttribute('lang') || this.closest('[lang]')?.lang || document.documentElement.lang || 'pt-BR';

		return tag.toLowerCase().startsWith('en') ? 'en' : 'pt';
	}

	#say(key, params = {}) {
		return words[this.#language()][key].replace(/\{(\w+)\}/g, (place, name) => params[name] ?? place);
	}

	#duration(seconds) {
		const minutes = Math.ceil(seconds / 60);

		return minutes < 90 ? this.#say('inMinutes', { n: minutes }) : this.#say('inHours', { n: Math.ceil(minutes / 60) });
	}

	/* -- Drawing -- */

	/* moved: somebody did this, and his focus is led along. */
	#enter(view, facts = {}, moved = false) {
		const changed = view !== this.#view;

		this.#view = view;
		this.#facts = facts;
		if (changed)
			this.#began = performance.now();
		this.#draw(moved || this.#root.activeElement !== null);
		this.#setTrouble(this.#trouble);
		if (changed) {
			this.#parts.status.textContent = this.#parts.title?.textContent ?? '';
			this.#tell('wapool:state', { state: view, deviceId: this.deviceId });
		}
	}

	#draw(moved = false) {
		if (!this.#view || !this.#parts.main)
			return;
		for (const name of ['title', 'qr', 'life', 'renews', 'again', 'disconnect'])
			delete this.#parts[name];
		this.#parts.main.replaceChildren(...[this.#views[this.#view].call(this, this.#facts)].flat().filter(Boolean));
		if (moved)
			(this.#root.querySelector('[autofocus]') ?? this.#parts.title)?.focus({ preventScroll: true });
		if (this.#view === 'qr')
			this.#beat();
		if (this.#view === 'connecting')
			this.#later('startingSlow', 8000);
		if (this.#view === 'reconnecting')
			this.#later('reconnectingLong', 30000);
	}

	#patch(name, change) {
		if (this.#parts[name]?.isConnected)
			change(this.#parts[name]);
	}

	#keep(name, element) {
		this.#parts[name] = element;
		return element;
	}

	/* A sentence more, for a view that lasts. */
	#later(key, ms) {
		const line = this.#parts.again;

		setTimeout(() => {
			if (line.isConnected)
				line.textContent = this.#say(key);
		}, ms);
	}

	#notice(key) {
		return key && h('p', { class: 'notice', part: 'notice', role: 'status' }, this.#say(key));
	}

	#title(key) {
		const level = Math.min(6, Math.max(1, Number(this.getAttribute('heading-level')) || 2));

		return this.#keep('title', h(`h${level}`, { class: 'title', part: 'title', tabindex: '-1' }, this.#say(key)));
	}

	#text(key, params) {
		return h('p', { class: 'text', part: 'text' }, this.#say(key, params));
	}

	#button(key, look, click, more = {}) {
		return h('button', { type: 'button', class: look, part: `button ${look || 'plain'}`, click, ...more }, this.#say(key));
	}

	/* What there is to do on the left, the code on the right; on a phone, below each other. */
	#pair(figure, ...left) {
		return h('div', { class: 'pair' }, h('div', { class: 'view' }, left), figure);
	}

	#busy(title, ...more) {
		return [h('div', { class: 'row' }, spinner(), this.#title(title)), ...more];
	}

	#steps(...keys) {
		return h('ol', { class: 'steps', part: 'steps' }, keys.map((key) => h('li', {}, h('span', {}, this.#say(key)))));
	}

	#toPhone = () => {
		this.#click();
		this.#enter('phone', {}, true);
	};

	/* What each view shows, from its facts. */
	#views = {
		loading() {
			return h('p', { class: 'row text' }, spinner(), this.#say('loading'));
		},

		idle({ notice }) {
			return this.#pair(ghost(false),
				this.#notice(notice),
				h('div', { class: 'head' }, this.#title('idleTitle'), this.#text('idleText')),
				h('div', { class: 'actions' },
					this.#button('connect', 'primary big', () => this.connect()),
					this.#button('useCode', 'quiet', this.#toPhone)));
		},

		connecting({ method }) {
			return this.#pair(ghost(true),
				h('div', { class: 'head' }, this.#title(method === 'code' ? 'startingCodeTitle' : 'startingTitle'),
					this.#keep('again', h('p', { class: 'text', role: 'status' }))),
				h('div', { class: 'actions' }, this.#button('cancel', 'quiet', () => this.#cancel())));
		},

		waiting({ text }) {
			return this.#pair(ghost(true),
				h('div', { class: 'head' }, this.#title('soonTitle'), this.#text(text),
					this.#keep('again', h('p', { class: 'text', role: 'timer' }))),
				h('div', { class: 'actions' },
					this.#button('tryNow', '', () => {
						this.#facts.until = 0;
					}),
					this.#button('cancel', 'quiet', () => this.#cancel())));
		},

		qr() {
			const image = h('img', { alt: this.#say('qrAlt'), src: this.#qr.picture || null, width: 256, height: 256 });
			const figure = h('figure', { part: 'qr' }, h('div', { class: 'paper' }, this.#keep('qr', image)),
				h('div', { class: 'life', 'aria-hidden': 'true' }, this.#keep('life', h('span', {}))),
				h('figcaption', {}, this.#keep('renews', h('span', { role: 'timer' }))));

			return this.#pair(figure, this.#title('qrTitle'), this.#steps('step1', 'step2', 'step3'),
				h('div', { class: 'head last' }, h('p', { class: 'hint' }, this.#say('useCodeHint')),
					h('div', { class: 'actions' }, this.#button('useCode', 'quiet', this.#toPhone),
						this.#button('cancel', 'quiet', () => this.#cancel()))));
		},

		pairing() {
			return this.#pair(ghost(true), h('div', { class: 'head' }, this.#title('pairingTitle'), this.#text('pairingText')));
		},

		phone({ phone, wrong }) {
			const error = h('p', { class: 'wrong', id: 'wrong', hidden: !wrong }, wrong ? this.#say(wrong) : '');
			const input = h('input', { id: 'phone', type: 'tel', autocomplete: 'tel', inputmode: 'tel', required: true,
				maxlength: 24, autofocus: true, 'aria-describedby': 'wrong hint', 'aria-invalid': wrong ? 'true' : 'false',
				value: phone ? phoneText(phone) : null });
			const submit = (event) => {
				const number = phoneNumber(input.value);

				event.preventDefault();
				if (number) {
					this.#run({ method: 'code', phone: number });
					return;
				}
				error.hidden = false;
				error.textContent = this.#say('phoneBad');
				input.setAttribute('aria-invalid', 'true');
				input.focus();
			};

			return [
				h('div', { class: 'head' }, this.#title('phoneTitle'), this.#text('phoneText')),
				h('form', { submit, novalidate: true },
					h('div', { class: 'field' }, h('label', { for: 'phone' }, this.#say('phoneLabel')), input,
						h('p', { class: 'hint', id: 'hint' }, this.#say('phoneHint')), error),
					h('div', { class: 'actions' },
						h('button', { class: 'primary', part: 'button primary' }, this.#say('getCode')),
						this.#button('useQr', 'quiet', () => this.connect()),
						this.#button('cancel', 'quiet', () => this.#cancel()))),
			];
		},

		code({ code }) {
			const copy = this.#button('copy', '', async () => {
				await navigator.clipboard.writeText(code).then(() => {
					copy.textContent = this.#say('copied');
					this.#parts.status.textContent = this.#say('copied');
				}, () => getSelection().selectAllChildren(shown.firstChild));
			});
			const shown = h('p', { class: 'code', part: 'code' }, h('span', { 'aria-hidden': 'true' }, code),
				h('span', { class: 'unseen' }, [...code].join(' ')));

			return h('div', { class: 'pair is-code' },
				h('div', { class: 'view' }, this.#title('codeTitle'), this.#steps('step1', 'step2', 'codeStep3', 'codeStep4'),
					h('div', { class: 'actions' }, this.#button('otherCode', 'quiet', this.#toPhone),
						this.#button('useQr', 'quiet', () => this.connect()),
						this.#button('cancel', 'quiet', () => this.#cancel()))),
				h('div', { class: 'view is-first' }, shown, copy,
					h('p', { class: 'row text' }, spinner(), this.#say('waiting'))));
		},

		connected({ phone, name, notice }) {
			return [this.#notice(notice), h('div', { class: 'between' },
				h('div', { class: 'row' }, h('span', { class: 'mark' }, drawing(TICK)), h('div', {}, this.#title('connectedTitle'),
					phone ? h('p', { class: 'who', part: 'phone' }, phone) : this.#text('connectedNoNumber'),
					name && h('p', { class: 'text', part: 'name' }, name))),
				this.#keep('disconnect', this.#button('disconnect', '', () => this.#ask())))];
		},

		reconnecting({ notice }) {
			return [this.#notice(notice), ...this.#busy('reconnectingTitle',
				h('div', { class: 'head' }, this.#text('reconnectingText'), this.#keep('again', h('p', { class: 'text', role: 'status' }))),
				h('div', { class: 'actions' }, this.#button('connectAgain', '', () => this.connect()),
					this.#button('disconnect', 'quiet', () => this.#ask())))];
		},

		expired({ method }) {
			return this.#pair(ghost(false),
				h('div', { class: 'head' }, this.#title('expiredTitle'), this.#text('expiredText')),
				h('div', { class: 'actions' },
					this.#button('showAgain', 'primary', () => (method === 'code' ? this.#toPhone() : this.connect())),
					this.#button(method === 'code' ? 'useQr' : 'useCode', 'quiet',
						() => (method === 'code' ? this.connect() : this.#toPhone()))));
		},

		failed({ title, text, after, final, method, phone, id }) {
			return [
				h('div', { class: 'head' }, this.#title(title), this.#text(text, { time: this.#duration(after ?? 0) }),
					id && h('p', { class: 'hint' }, this.#say('support', { id }))),
				h('div', { class: 'actions' },
					final ? null : this.#button('retry', 'primary', () => this.#run({ method: method ?? 'qr', phone })),
					title === 'goneTitle' ? null : this.#button('cancel', 'quiet', () => this.#cancel())),
			];
		},

		unknown() {
			return [this.#title('unknownTitle'), this.#button('retry', 'primary', () => this.#look())];
		},

		denied() {
			return h('div', { class: 'head' }, this.#title('deniedTitle'), this.#text('deniedText'));
		},
	};

	/* Asks once. */
	#ask() {
		const dialog = h('dialog', { part: 'dialog', 'aria-labelledby': 'ask-title', 'aria-describedby': 'ask-text' },
			h('h2', { class: 'title', id: 'ask-title' }, this.#say('askTitle')),
			h('p', { class: 'text', id: 'ask-text' }, this.#say('askText')),
			h('div', { class: 'actions' },
				this.#button('askNo', '', () => dialog.close('no'), { autofocus: true }),
				this.#button('askYes', 'danger', () => dialog.close('yes'))));

		dialog.addEventListener('click', (event) => event.target === dialog && dialog.close('no'));
		dialog.addEventListener('close', () => {
			dialog.remove();
			if (dialog.returnValue === 'yes')
				this.disconnect();
			else
				this.#patch('disconnect', (button) => button.focus());
		});
		this.#root.append(dialog);
		dialog.showModal();
	}
}

if (!customElements.get('wapool-connect'))
	customElements.define('wapool-connect', WapoolConnect);
