package middleware

import (
	"mime"
	"net/http"
	"strings"

	"github.com/farmountain/aureus-go/internal/jsonscan"
	"github.com/farmountain/aureus-go/internal/nametext"
	"github.com/farmountain/aureus-go/internal/strictjson"
)

const jsonType = "application/json"

// bodyObject returns the body, which must be a JSON object if it is not empty; nil without one.
// An empty body must not be declared as something else: code in front of the guard may have
// read it, for example as a form, and a handler then finds the values of the form.
func bodyObject(header http.Header, b *body) (map[string]any, error) {
	if b == nil {
		return nil, nil //nolint:nilnil // no body is valid
	}
	declared := b.length > 0 || len(header["Content-Type"]) > 0
	if declared { // before a client that waits for 100 Continue sends what is refused
		if err := checkJSON(header); err != nil {
			return nil, err
		}
	}
	text, err := b.text()
	if err != nil || len(text) == 0 {
		return nil, err
	}
	if !declared {
		return nil, checkJSON(header)
	}
	value, err := parseJSON(text)
	if err != nil {
		return nil, &Invalid{Reason: "the body is not valid JSON: " + err.Error()}
	}
	object, ok := value.(map[string]any)
	if !ok {
		return nil, &Invalid{Reason: "the body must be a JSON object"}
	}
	return object, nil
}

// parseJSON tries the fast reader, then strictjson. Both accept the same texts.
func parseJSON(text []byte) (value any, err error) {
	s := jsonscan.New(string(text))
	if s.Value(&value) && s.End() {
		return value, nil
	}
	return strictjson.Parse(text)
}

// checkJSON refuses a body that is not declared as JSON in UTF-8. Otherwise a handler that
// follows the declaration could read other values than the policy, for example from a form.
func checkJSON(header http.Header) error {
	types := header["Content-Type"]
	if len(types) != 1 || types[0] != jsonType {
		if err := checkJSONType(types); err != nil {
			return err
		}
	}
	for _, coding := range header["Content-Encoding"] {
		if !strings.EqualFold(strings.TrimSpace(coding), "identity") {
			return &Invalid{Reason: "the policy reads the body, so it must have no Content-Encoding, not " + nametext.Shown(coding)}
		}
	}
	return nil
}

// checkJSONType checks the values of Content-Type. The error says which came.
func checkJSONType(types []string) error {
	const want = "the policy reads the body, so its Content-Type must be " + jsonType
	switch len(types) {
	case 0:
		return &Invalid{Reason: want + ", and there is none"}
	case 1:
	default:
		return &Invalid{Reason: want + ", and occur once, not be " + nametext.Shown(types[0]) + " and " + nametext.Shown(types[1])}
	}
	kind, parameters, err := mime.ParseMediaType(types[0])
	if err != nil || (kind != jsonType && (!strings.HasPrefix(kind, "application/") || !strings.HasSuffix(kind, "+json"))) {
		return &Invalid{Reason: want + " or application/…+json, not " + nametext.Shown(types[0])}
	}
	if charset := parameters["charset"]; charset != "" && !strings.EqualFold(charset, "utf-8") {
		return &Invalid{Reason: "the policy reads the body, so it must be JSON in UTF-8, not in " + nametext.Shown(charset)}
	}
	return nil
}
