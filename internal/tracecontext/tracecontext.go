// Package tracecontext reads the trace id from a W3C traceparent header.
package tracecontext

import (
	"net/http"
	"strings"
)

// Header is the name of the header in canonical form.
const Header = "Traceparent"

// ID returns the trace id of the traceparent header, 32 hex digits in lower case.
// It is empty if the header is missing, repeated or malformed.
func ID(header http.Header) string {
	values := header[Header]
	if len(values) != 1 {
		return ""
	}
	value := values[0]
	// version-trace-parent-flags; a later version may append a dash and more
	if len(value) < 55 || value[2] != '-' || value[35] != '-' || value[52] != '-' || value[:2] == "ff" {
		return ""
	}
	if len(value) > 55 && (value[:2] == "00" || value[55] != '-') {
		return ""
	}
	id, parent := value[3:35], value[36:52]
	if !isHex(value[:2]) || !isHex(id) || !isHex(parent) || !isHex(value[53:55]) || strings.Trim(id, "0") == "" || strings.Trim(parent, "0") == "" {
		return ""
	}
	return id
}

func isHex(text string) bool {
	for _, c := range []byte(text) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}
