package console

import (
	"embed"
	"fmt"
	"html/template"
	"path"
	"strings"
	"text/template/parse"
	"time"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/redact"
)

//go:embed templates static
var files embed.FS

// templates holds the parsed template of each page, by the name of its file without the
// extension. Each has the layout and the parts too.
var templates = parseTemplates()

// exact is the name of the function for a value that must come back unchanged, such as in
// a hidden field: it is not made visible.
const exact = "exact"

func parseTemplates() map[string]*template.Template {
	functions := template.FuncMap{
		"time": timeOf, "stamp": stampOf, "visible": visible, exact: func(v any) any { return v },
		"effect": effectText, "short": shortDigest, "table": newTable,
	}
	base := template.Must(template.New("layout.html").Funcs(functions).ParseFS(files, "templates/layout.html", "templates/parts.html"))
	pages, err := files.ReadDir("templates")
	if err != nil {
		panic(err) // the folder is not embedded
	}
	all := map[string]*template.Template{}
	for _, page := range pages {
		name := strings.TrimSuffix(page.Name(), path.Ext(page.Name()))
		if name == "layout" || name == "parts" {
			continue
		}
		t := template.Must(template.Must(base.Clone()).ParseFS(files, "templates/"+page.Name()))
		for _, part := range t.Templates() {
			if part.Tree != nil {
				makeVisible(part.Tree.Root)
			}
		}
		all[name] = t
	}
	return all
}

// makeVisible adds the function visible to all values that the template shows, so that no
// page can forget it. html/template adds the escaping in the same way.
func makeVisible(node parse.Node) {
	switch n := node.(type) {
	case *parse.ListNode:
		if n == nil {
			return
		}
		for _, child := range n.Nodes {
			makeVisible(child)
		}
	case *parse.IfNode:
		makeVisible(n.List)
		makeVisible(n.ElseList)
	case *parse.RangeNode:
		makeVisible(n.List)
		makeVisible(n.ElseList)
	case *parse.WithNode:
		makeVisible(n.List)
		makeVisible(n.ElseList)
	case *parse.ActionNode:
		if len(n.Pipe.Decl) > 0 {
			return // it shows nothing
		}
		last := n.Pipe.Cmds[len(n.Pipe.Cmds)-1]
		if word, ok := last.Args[0].(*parse.IdentifierNode); ok && (word.Ident == exact || word.Ident == "visible") {
			return
		}
		n.Pipe.Cmds = append(n.Pipe.Cmds, &parse.CommandNode{
			NodeType: parse.NodeCommand, Pos: n.Pos, Args: []parse.Node{parse.NewIdentifier("visible").SetPos(n.Pos).SetTree(nil)},
		})
	}
}

// visible returns a value with its invisible characters escaped, see [redact.Visible].
func visible(v any) any {
	if markup, ok := v.(template.HTML); ok {
		return markup // of timeOf
	}
	return redact.Visible(fmt.Sprint(v))
}

// timeOf returns the element that shows a time in UTC. The script of the pages shows it
// in the reader's zone.
func timeOf(t time.Time) template.HTML {
	if t.IsZero() {
		return "–"
	}
	t = t.UTC()
	return template.HTML(`<time datetime="` + t.Format(time.RFC3339) + `">` + t.Format(time.DateTime) + ` UTC</time>`) //nolint:gosec // digits and separators only
}

// stampOf does the same for a time as the API writes it.
func stampOf(stamp aureus.Timestamp) template.HTML {
	t, _ := stamp.Time()
	return timeOf(t)
}

// effectText returns the words for an effect.
func effectText(effect string) string {
	switch effect {
	case aureus.Allow.String():
		return "allowed"
	case aureus.RequireApproval.String():
		return "needs approval"
	case aureus.Deny.String():
		return "denied"
	}
	return effect
}

// shortDigest returns the beginning of a digest, for tables.
func shortDigest(d aureus.Digest) string {
	text := d.String()
	return text[:min(len(text), len("sha256:")+12)] + "…"
}

// durationOf returns a duration without the units that are zero: 1h, 1m30s.
func durationOf(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// tableHead is the data of the part table.
type tableHead struct {
	Label   string
	Columns []string
}

func newTable(label string, columns ...string) tableHead { return tableHead{label, columns} }

// pager is the data of the part pager: links to the pages before and after a part of a
// list. An empty link is left out.
type pager struct {
	Shown                string // which part is shown; may be empty
	Before, After        string // links
	BeforeName, NextName string
}
