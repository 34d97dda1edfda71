// Shows the times of the page in the reader's zone, and keeps the parts of the page that
// have the attribute data-live up to date. The page works without it.
"use strict";

// The time in UTC becomes the tooltip.
const format = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "long" });

function showTimes(root) {
	for (const element of root.querySelectorAll("time[datetime]")) {
		const at = new Date(element.dateTime);
		if (!element.title && !Number.isNaN(at.getTime())) {
			element.title = element.textContent;
			element.textContent = format.format(at);
		}
	}
}

// The time that is left until an approval ends, as the server wrote it when it made the page.
function showLeft(root) {
	for (const element of root.querySelectorAll("[data-until]")) {
		const minutes = Math.floor((new Date(element.dataset.until) - Date.now()) / 60000);
		let text = "its time is over";
		if (minutes >= 24 * 60) {
			text = Math.floor(minutes / (24 * 60)) + " d " + Math.floor(minutes / 60) % 24 + " h left";
		} else if (minutes >= 60) {
			text = Math.floor(minutes / 60) + " h " + minutes % 60 + " min left";
		} else if (minutes >= 1) {
			text = minutes + " min left";
		} else if (minutes === 0) {
			text = "less than a minute left";
		}
		if (element.textContent !== text) {
			element.textContent = text;
		}
		element.classList.toggle("soon", minutes < 15);
	}
}

setInterval(() => showLeft(document), 10000);

// A part has an id, and in data-live the topics whose changes it shows. The server sends
// the topics that have changed; then the page is asked for again, and each part whose text
// is another one is replaced. A part in which the reader is busy stays, with a note.
const live = document.getElementById("live");
const parts = [...document.querySelectorAll("[data-live][id]")].map((element) => ({ id: element.id, topics: element.dataset.live.split(" "), text: element.outerHTML }));
showTimes(document);

function say(text, href, name) {
	live.replaceChildren(text);
	if (href) {
		const link = document.createElement("a");
		link.href = href;
		link.textContent = name;
		live.append(" ", link);
	}
}

function isBusy(element) {
	const selection = document.getSelection();
	return element.matches(":focus-within") || element.querySelector("details[open]") || (!selection.isCollapsed && selection.containsNode(element, true));
}

function replaceParts(fresh) {
	let replaced = false;
	let busy = false;
	for (const part of parts) {
		const now = document.getElementById(part.id);
		const next = fresh.getElementById(part.id);
		if (!now || !next) {
			busy = true; // the page has other parts now, such as after the first bundle
			continue;
		}
		if (next.outerHTML === part.text) {
			continue;
		}
		if (isBusy(now)) {
			busy = true;
			continue;
		}
		part.text = next.outerHTML;
		const element = document.importNode(next, true);
		showTimes(element);
		now.replaceWith(element);
		replaced = true;
	}
	if (busy) {
		say("This page has changed.", location.href, "Show the changes");
	} else if (replaced) {
		say("Updated at " + new Date().toLocaleTimeString() + ".");
	}
}

const shortest = 2000; // milliseconds between two requests of the page
let asking = false;
let again = false;

function askForPage() {
	if (asking) {
		again = true;
		return;
	}
	asking = true;
	const request = new XMLHttpRequest();
	request.open("GET", location.pathname + location.search);
	request.setRequestHeader("Aureus-Automatic", "1");
	request.responseType = "document";
	request.onload = () => {
		if (request.status === 401) {
			sessionEnded();
		} else if (request.response) {
			replaceParts(request.response);
		}
	};
	request.onerror = () => say("The server cannot be reached, so this page may be out of date.");
	request.onloadend = () => setTimeout(() => {
		asking = false;
		if (again) {
			again = false;
			askForPage();
		}
	}, shortest);
	request.send();
}

let stream = null;
let over = false;

function sessionEnded() {
	over = true;
	stopFollowing();
	say("Your session has ended, so this page may be out of date.", location.href, "Log in");
}

function stopFollowing() {
	if (stream) {
		stream.close();
		stream = null;
	}
}

// Only a page that is visible follows the changes: browsers open few connections to a
// server at once. After an interruption the first topic is "start".
function follow() {
	if (stream || over || document.hidden) {
		return;
	}
	const source = new EventSource("/console/events");
	stream = source;
	source.addEventListener("change", (event) => {
		const topics = event.data.split(" ");
		if (topics.includes("start") || parts.some((part) => part.topics.some((topic) => topics.includes(topic)))) {
			askForPage();
		}
	});
	source.addEventListener("end", sessionEnded);
	source.onerror = () => {
		if (source.readyState === EventSource.CLOSED && stream === source) {
			stream = null;
			setTimeout(follow, 30000); // the server refused the stream
		}
	};
}

if (live && parts.length > 0) {
	document.addEventListener("visibilitychange", () => (document.hidden ? stopFollowing() : follow()));
	addEventListener("pagehide", stopFollowing);
	addEventListener("pageshow", follow);
	follow();
}
