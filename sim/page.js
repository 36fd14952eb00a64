"use strict";

/* The page of the simulator: what it shows is read again every second. Cards stay in
   place, so a form being filled in is not lost. */

const LIMIT = 100;
const cards = new Map();
const $ = (id) => document.getElementById(id);

function make(tag, properties, ...children) {
	const e = Object.assign(document.createElement(tag), properties);
	e.append(...children);
	return e;
}

function complain(message) {
	$("error").textContent = message;
	$("error").hidden = !message;
}

async function call(method, path, body) {
	const answer = await fetch(path, {
		method,
		headers: {"Content-Type": "application/json"},
		body: body === undefined ? undefined : JSON.stringify(body),
	});
	const data = await answer.json();
	if (!answer.ok)
		throw new Error(data.error || answer.status);
	return data;
}

/* Do something, show what went wrong, look again. */
async function act(method, path, body) {
	try {
		await call(method, path, body);
		complain("");
	} catch (e) {
		complain(e.message);
	}
	refresh();
}

function field(label, properties) {
	const input = make("input", properties);
	return [make("label", {}, label, input), input];
}

/* A form that posts its fields to an action of the session. */
function form(name, action, fields, label) {
	const row = make("form", {className: "row"});
	const inputs = fields.map(([text, properties]) => {
		const [box, input] = field(text, properties);
		row.append(box);
		return input;
	});
	row.append(make("button", {textContent: label}));
	row.addEventListener("submit", (event) => {
		event.preventDefault();
		const body = {};
		for (const i of inputs)
			if (i.value !== "")
				body[i.name] = i.value;
		act("POST", `sessions/${name}/${action}`, body);
	});
	return row;
}

function button(name, action, label) {
	const b = make("button", {type: "button", textContent: label});
	b.addEventListener("click", () => act("POST", `sessions/${name}/${action}`, {}));
	return b;
}

function card(name) {
	const c = {
		badge: make("span", {className: "badge"}),
		who: make("span"),
		qr: make("code"),
		scan: form(name, "scan", [
			["Phone", {name: "phone", required: true, inputMode: "tel",
				value: "5511" + (900000000 + Math.floor(Math.random() * 99999999))}],
			["Name", {name: "pushName", placeholder: "optional"}],
		], "Scan"),
		message: form(name, "message", [
			["From", {name: "from", required: true, value: "5511988887777"}],
			["Text", {name: "text", required: true, value: "Hello!"}],
		], "Send a message to it"),
	};
	c.drop = button(name, "drop", "Drop the network");
	c.restore = button(name, "restore", "Restore the network");
	c.logout = button(name, "logout", "Log out on the phone");
	c.li = make("li", {},
		make("div", {className: "head"}, make("b", {textContent: name}), c.badge, c.who),
		c.qr, c.scan, c.message,
		make("div", {className: "row"}, c.drop, c.restore, c.logout));
	return c;
}

function paint(c, s) {
	c.badge.textContent = s.status + (s.networkDown ? ", network down" : "");
	c.badge.className = "badge " + s.status;
	c.who.textContent = s.phone ? `+${s.phone} ${s.pushName || ""}` : "";
	c.qr.textContent = s.qr ? s.qr + (s.code ? `  pairing code ${s.code}` : "") : "";
	c.scan.hidden = s.status !== "SCAN_QR_CODE";
	c.message.hidden = s.status !== "WORKING";
	c.drop.hidden = s.networkDown || s.status === "STOPPED";
	c.restore.hidden = !s.networkDown;
	c.logout.hidden = !s.linked;
}

function show_sessions(list) {
	const seen = new Set(list.map((s) => s.name));
	for (const [name, c] of cards) {
		if (!seen.has(name)) {
			c.li.remove();
			cards.delete(name);
		}
	}
	for (const s of list) {
		let c = cards.get(s.name);
		if (!c) {
			c = card(s.name);
			cards.set(s.name, c);
			$("sessions").append(c.li);
		}
		paint(c, s);
	}
	$("empty").hidden = list.length > 0;
}

function show_stats(stats) {
	const s = stats.sessions, w = stats.webhooks;
	$("server").textContent = stats.server;
	$("summary").textContent =
		(stats.down ? "DOWN. " : "") +
		`${s.total} sessions (${s.WORKING} working, ${s.SCAN_QR_CODE} waiting for a scan, ` +
		`${s.FAILED} failed; at most ${LIMIT} shown). Webhooks: ${w.sent} sent, ` +
		`${w.pending} pending, ${w.failed} failed. Time runs ${stats.timeScale} times faster.`;
}

function show_faults(faults) {
	$("faults").replaceChildren(...faults.map((f) => {
		const {kind, rate, hits, ...rest} = f;
		return make("li", {textContent: `${kind}, rate ${rate}, struck ${hits} times` +
			Object.entries(rest).map(([k, v]) => `, ${k} ${v}`).join("")});
	}));
}

async function refresh() {
	const query = new URLSearchParams({limit: LIMIT});
	if ($("filter").value)
		query.set("contains", $("filter").value);
	if ($("status").value)
		query.set("status", $("status").value);
	try {
		show_stats(await call("GET", "stats"));
		show_sessions(await call("GET", "sessions?" + query));
		show_faults((await call("GET", "faults")).faults);
	} catch (e) {
		$("summary").textContent = "The simulator does not answer: " + e.message;
	}
}

$("fault").addEventListener("submit", async (event) => {
	event.preventDefault();
	const given = Object.fromEntries(
		[...new FormData(event.target)].filter(([, value]) => value !== ""));
	for (const key of ["rate", "ms", "status"])
		if (key in given)
			given[key] = Number(given[key]);
	const {faults} = await call("GET", "faults");
	act("PUT", "faults", {faults: [...faults, given]});
});
$("clear").addEventListener("click", () => act("DELETE", "faults"));
$("restart").addEventListener("submit", (event) => {
	event.preventDefault();
	act("POST", "restart", {downMs: Number(event.target.downMs.value)});
});
$("filter").addEventListener("input", refresh);
$("status").addEventListener("change", refresh);
document.title = "SIMULATED gateway";
setInterval(refresh, 1000);
refresh();
