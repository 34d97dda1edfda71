package console

import (
	"bytes"
	"net/http"
	"strings"

	"github.com/farmountain/aureus-go/controlplane/internal/web"
)

const (
	maxDiffLines = 200_000 // lines of both texts that are compared
	maxDiffShown = 2000    // lines that the page shows
	maxDiffBytes = 512 << 10
	// lineWeight is how many bytes of memory comparing takes for each line.
	lineWeight = 160
)

// diffData is the data of the page diff.
type diffData struct {
	From, To       bundleData
	Hunks          []hunk
	Added, Removed int
	Coarse         bool // the texts differ so much that equal lines between them were not looked for
	TooLong        bool // the texts have more lines than are compared
	NotShown       int  // lines that are left out because the page would be too long
}

// diff answers GET diff with the difference between two versions.
func (s *Service) diff(w http.ResponseWriter, r *http.Request, c web.Caller) error {
	var data diffData
	for _, side := range []struct {
		name string
		data *bundleData
	}{{"from", &data.From}, {"to", &data.To}} {
		number, err := numberIn(r, side.name)
		if err != nil {
			return err
		}
		if *side.data, err = s.versionData(r.Context(), c, number); err != nil {
			return err
		}
	}
	v := view{Title: "Difference", Section: "history", Caller: c}
	count := bytes.Count(data.From.Text, []byte("\n")) + bytes.Count(data.To.Text, []byte("\n"))
	if data.TooLong = count > maxDiffLines; !data.TooLong {
		account := web.Account(r)
		if err := web.CapacityError(account.Charge(lineWeight*int64(count) + 2*int64(len(data.From.Text)+len(data.To.Text)))); err != nil {
			return err
		}
		if err := web.CapacityError(account.Work(r.Context())); err != nil {
			return err
		}
		data.compare()
	}
	v.Data = data
	return s.show(w, r, http.StatusOK, "diff", v)
}

func (d *diffData) compare() {
	lines, coarse := compare(linesOf(d.From.Text), linesOf(d.To.Text))
	d.Coarse = coarse
	for _, l := range lines {
		if l.Kind == lineAdded {
			d.Added++
		}
		if l.Kind == lineRemoved {
			d.Removed++
		}
	}
	d.Hunks, d.NotShown = limited(hunks(lines))
}

// limited returns the hunks with as many of their lines as a page shows, and how many
// lines are left out.
func limited(all []hunk) (shown []hunk, left int) {
	count, size := 0, 0
	for _, h := range all {
		part := hunk{Skipped: h.Skipped}
		for _, l := range h.Lines {
			if count == maxDiffShown || size >= maxDiffBytes {
				left++
				continue
			}
			cut := cutLine(0, l.Text)
			l.Text, l.Cut = cut.Text, cut.Cut
			part.Lines = append(part.Lines, l)
			count, size = count+1, size+len(l.Text)
		}
		if left == 0 || len(part.Lines) > 0 {
			shown = append(shown, part)
		}
	}
	return shown, left
}

// linesOf splits a text into its lines.
func linesOf(text []byte) []string {
	return strings.Split(strings.TrimSuffix(strings.ReplaceAll(string(text), "\r\n", "\n"), "\n"), "\n")
}
