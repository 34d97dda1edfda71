// Shows the times of the page in the reader's zone. The time in UTC becomes the tooltip.
"use strict";

const format = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "long" });
for (const element of document.querySelectorAll("time[datetime]")) {
	const at = new Date(element.dateTime);
	if (!Number.isNaN(at.getTime())) {
		element.title = element.textContent;
		element.textContent = format.format(at);
	}
}
