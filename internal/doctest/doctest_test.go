package doctest

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// page joins the lines to a page. Each line with three single quotes becomes a fence.
func page(lines ...string) string {
	return strings.ReplaceAll(strings.Join(lines, "\n"), "'''", "```") + "\n"
}

func read(t *testing.T, name string, lines ...string) []block {
	t.Helper()
	blocks, err := readPage(name, page(lines...))
	require.NoError(t, err)
	return blocks
}

func TestCompile_ValidBlocks_Succeed(t *testing.T) {
	root := repository(t)
	var all []block
	for reason, lines := range map[string][]string{
		"a whole program":     {"'''go", "package main", "", `import "fmt"`, "", `func main() { fmt.Println("hello") }`, "'''"},
		"a program that runs": {"<!-- doctest: run -->", "'''go", "package main", "", "func main() {}", "'''"},
		"a program and what it prints": {
			"<!-- doctest: run -->", "'''go", "package main", "", "func main() { print(1, \"\\n\") }", "'''", "It prints", "<!-- doctest: output -->", "'''text", "1", "'''",
		},
		"tests that run": {
			"<!-- doctest: test", "var one = 1", "-->", "'''go", "func TestOne(t *testing.T) { require.Equal(t, 1, one) }", "'''",
		},
		"declarations": {"'''go", "type ledger struct{ mu sync.Mutex }", "func (l *ledger) apply(ctx context.Context) error { return ctx.Err() }", "'''"},
		"statements":   {"'''go", "client, err := aureus.NewClient(\"\")", "if err != nil {", "\treturn err", "}", "'''"},
		"statements with their own imports": {
			"'''go", "// As always:", "import (", "\t\"math/rand/v2\"", ")", "", "n := rand.IntN(6)", "'''",
		},
		"an import of a package in the table": {"'''go", `import "fmt"`, "", "fmt.Println(os.Args)", "'''"},
		"statements that end the function":    {"'''go", "return guard.Check(ctx, nil, aureus.Request{})", "'''"},
		"hidden declarations": {
			"<!-- doctest", "func describe(r *http.Request) (aureus.Request, error) { return aureus.Request{}, nil }", "-->",
			"", "'''go", "request, err := describe(nil)", "'''",
		},
		"declarations for the whole page": {
			"<!-- doctest: page", "var mux = http.NewServeMux()", "-->", "text", "'''go", "mux.Handle(\"/\", nil)", "'''", "", "'''go", "_ = mux", "'''",
		},
		"a continued block": {
			"'''go", "effect := aureus.Allow", "'''", "then", "<!-- doctest: continue -->", "'''go", "effect = aureus.Deny", "'''",
			"and again", "<!-- doctest: continue -->", "'''go", "fmt.Println(effect)", "'''",
		},
		"statements after declarations": {
			"'''go", "type change struct{ cents int }", "'''", "<!-- doctest: continue -->", "'''go", "c := change{cents: 1}", "'''",
		},
		"the body of a handler": {
			"<!-- doctest: in func(w http.ResponseWriter, r *http.Request) -->", "'''go", "http.Error(w, r.URL.Path, 404)", "return", "'''",
		},
		"statements that declare ctx": {"'''go", "ctx := context.Background()", "'''"},
		"a block in a list":           {"1. First", "", "   '''go", "   x := 1", "   '''"},
		"a tilde fence":               {"~~~go", "x := 1", "~~~"},
	} {
		all = append(all, read(t, strings.ReplaceAll(reason, " ", "-")+".md", lines...)...)
	}
	require.NoError(t, compile(t, root, all))
}

func TestCompile_InvalidBlocks_Fail(t *testing.T) {
	root := repository(t)
	var all []block
	var expected []string
	for name, wrong := range map[string]struct {
		lines  []string
		expect string
	}{
		"an undeclared name":           {[]string{"'''go", "x := 1", "y := missing", "'''"}, ":3:6: undefined: missing"},
		"an unknown name in a package": {[]string{"'''go", "aureus.Perhaps()", "'''"}, ":2:8: undefined: aureus.Perhaps"},
		"an argument of another type": {
			[]string{"'''go", "package main", "", "func main() {", "\tprintln(1 + \"1\")", "}", "'''"}, ":5:10: invalid operation",
		},
		"an unused import": {[]string{"'''go", `import "math/rand/v2"`, "", "x := 1", "'''"}, ":2:8: \"math/rand/v2\" imported as rand and not used"},
		"a whole file with a missing import": {
			[]string{"'''go", "package main", "func main() { fmt.Println() }", "'''"}, ":3:15: undefined: fmt",
		},
		"an invalid hidden declaration": {
			[]string{"<!-- doctest", "var x int = \"one\"", "-->", "'''go", "_ = x", "'''"}, ":2:13: cannot use \"one\"",
		},
		"not Go":               {[]string{"'''go", "x := 1", "if then else", "'''"}, ":3:"},
		"a program that fails": {[]string{"<!-- doctest: run -->", "'''go", "package main", "", "import \"os\"", "", "func main() { os.Exit(3) }", "'''"}, "exit status 3"},
		"a program with other output": {[]string{
			"<!-- doctest: run -->", "'''go", "package main", "", "func main() { print(2, \"\\n\") }", "'''", "<!-- doctest: output -->", "'''text", "1", "'''",
		}, "according to the page, the program prints\n1\nbut it prints\n2\n"},
		"a test that fails":           {[]string{"<!-- doctest: test -->", "'''go", "func TestOne(t *testing.T) { t.Fatal(\"no\") }", "'''"}, "the tests did not succeed"},
		"a test block without a test": {[]string{"<!-- doctest: test -->", "'''go", "const one = 1", "'''"}, "there is no test"},
		"a file as a test":            {[]string{"<!-- doctest: test -->", "'''go", "package p", "'''"}, "must not have a package clause"},
		"statements as a test":        {[]string{"<!-- doctest: test -->", "'''go", "x := 1", "'''"}, "this is not a list of Go declarations"},
		"statements as a program":     {[]string{"<!-- doctest: run -->", "'''go", "x := 1", "'''"}, "only a whole program can be run"},
	} {
		file := strings.ReplaceAll(name, " ", "-") + ".md"
		all = append(all, read(t, file, wrong.lines...)...)
		if strings.HasPrefix(wrong.expect, ":") {
			wrong.expect = file + wrong.expect
		}
		expected = append(expected, wrong.expect)
	}
	err := compile(t, root, all)
	require.Error(t, err)
	for _, expect := range expected {
		require.ErrorContains(t, err, expect)
	}

	// If one package imports an internal package, the go command checks none, so this
	// block is compiled alone.
	internal := read(t, "p.md", "'''go", `import "github.com/farmountain/aureus-go/internal/strictjson"`, "", "_ = strictjson.Check", "'''")
	require.ErrorContains(t, compile(t, root, internal), "p.md:2:8: use of internal package")
}

func TestReadPage_InvalidPages_Fail(t *testing.T) {
	for reason, wrong := range map[string]struct {
		lines  []string
		expect string
	}{
		"a block that does not say what it holds":  {[]string{"'''", "x := 1", "'''"}, "p.md:1: a block must name its language"},
		"Go under another name":                    {[]string{"'''golang", "x := 1", "'''"}, `this one names "golang"`},
		"a block without an end":                   {[]string{"'''go", "x := 1"}, "p.md:1: this block has no end"},
		"a comment without an end":                 {[]string{"", "<!-- doctest", "x"}, "p.md:2: this comment has no end"},
		"an unknown option":                        {[]string{"<!-- doctest: skip -->", "'''go", "'''"}, `"skip" is not an option`},
		"a comment before text":                    {[]string{"<!-- doctest: run -->", "text"}, "right before a block of Go"},
		"a comment before another block":           {[]string{"<!-- doctest: run -->", "'''sh", "make", "'''"}, "right before a block of Go"},
		"a comment at the end":                     {[]string{"text", "", "<!-- doctest: run -->"}, "p.md:3: a doctest comment"},
		"output of no program":                     {[]string{"'''go", "x := 1", "'''", "<!-- doctest: output -->", "'''text", "1", "'''"}, "not a program that is run"},
		"output that is Go":                        {[]string{"<!-- doctest: run -->", "'''go", "package main", "func main() {}", "'''", "<!-- doctest: output -->", "'''go", "x := 1", "'''"}, "right before a block of text"},
		"a bundle that is run":                     {[]string{"<!-- doctest: run -->", "'''yaml", "a: 1", "'''"}, "no option but file"},
		"a file that is Go":                        {[]string{"<!-- doctest: file a.go -->", "'''go", "x := 1", "'''"}, "only a block of YAML is a file"},
		"a continued block without a previous one": {[]string{"<!-- doctest: continue -->", "'''go", "'''"}, "no Go block before this one"},
	} {
		t.Run(reason, func(t *testing.T) {
			_, err := readPage("p.md", page(wrong.lines...))
			require.ErrorContains(t, err, wrong.expect)
		})
	}
}

func TestCheckShell_MissingNames_AreReported(t *testing.T) {
	root := repository(t)
	for reason, text := range map[string]string{
		"targets":                   "make demo && make test TESTFLAGS='-run Approval -v' # both",
		"a fresh clone":             "git clone https://github.com/farmountain/aureus-go\ncd aureus-go",
		"a variable":                "AUREUS_API_KEY=\"a b\" go test ./aureus/...",
		"our module at a version":   "go get github.com/farmountain/aureus-go@latest",
		"a body over several lines": "curl -s localhost:3000/api/v1/policy/check -d '{\n  \"rm\": \"-rf\"\n}' | make",
		"a continued line":          "go test \\\n  ./guard",
	} {
		t.Run(reason, func(t *testing.T) {
			require.NoError(t, read(t, "p.md", "'''sh", text, "'''")[0].checkShell(root))
		})
	}
	for reason, wrong := range map[string]struct{ language, text, expect string }{
		"an unknown target":   {"sh", "make coffee", "no target coffee"},
		"in a second command": {"sh", "make test; make coffee", "no target coffee"},
		"an unknown folder":   {"console", "$ go run ./examples/missing\nmake coffee", "no folder ./examples/missing"},
		"an unknown package":  {"sh", "go install github.com/farmountain/aureus-go/cmd/missing@latest", "no folder /cmd/missing"},
		"an unknown command":  {"sh", "npm install aureus", `"npm" is not one of the commands`},
		"in a pipe":           {"sh", "curl localhost | jq .", `"jq" is not one of the commands`},
		"after a variable":    {"sh", "A=1 rm x", `"rm" is not one of the commands`},
	} {
		t.Run(reason, func(t *testing.T) {
			require.ErrorContains(t, read(t, "p.md", "'''"+wrong.language, wrong.text, "'''")[0].checkShell(root), wrong.expect)
		})
	}
}
