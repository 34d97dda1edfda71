package evidence

import "strings"

// SplitNotes returns the signed notes of a text in which they stand one after the other,
// as a file of checkpoints has them. Empty lines between them are ignored.
func SplitNotes(text string) (notes []string) {
	var note strings.Builder
	signed := false
	for line := range strings.Lines(text) {
		isSignature := strings.HasPrefix(line, "— ")
		if signed && !isSignature {
			notes = append(notes, note.String())
			note.Reset()
			signed = false
		}
		if note.Len() == 0 && line == "\n" {
			continue
		}
		note.WriteString(line)
		signed = isSignature
	}
	if note.Len() > 0 {
		notes = append(notes, note.String())
	}
	return notes
}

// OfLog returns the notes that are about one log, by the origin in their first line.
func OfLog(notes []string, origin string) (own []string) {
	for _, note := range notes {
		if strings.HasPrefix(note, origin+"\n") {
			own = append(own, note)
		}
	}
	return own
}
