package aureus

import "github.com/farmountain/aureus-go/internal/jsonscan"

// decode reads a text strictly into out, a pointer to a zero value; see package
// jsonscan.
func decode(body []byte, out any) error { return jsonscan.Unmarshal(body, out) }
