package doctest

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPages_YAMLBlocks_AreBundlesThatLoad(t *testing.T) {
	root := repository(t)
	blocks := pageBlocks(t, root, "yaml")
	require.NotEmpty(t, blocks, "no page has a block of YAML, so nothing was checked")
	require.NoError(t, load(t, root, blocks))
}

func TestLoad_Bundles_AreReportedByTheirLines(t *testing.T) {
	root := repository(t)
	hidden := []string{"<!-- doctest", "aureus: policy/1", "name: hidden", "version: 1", "-->"}
	shown := []string{"'''yaml", "actions:", "  report.read: {tier: low, requires: []}"}
	good := append(append([]string{}, hidden...), append(shown, "'''")...)
	require.NoError(t, load(t, root, read(t, "good.md", good...)))

	bad := append(append([]string{}, hidden...), append(shown, "  report.write: {tier: lwo, requires: []}", "'''")...)
	require.ErrorContains(t, load(t, root, read(t, "bad.md", bad...)), "bad.md:9: ")

	failing := append(append([]string{}, hidden...), append(shown, "tests:", "  - {name: nobody, principal: ann, action: report.read, want: allow}", "'''")...)
	require.Error(t, load(t, root, read(t, "failing.md", failing...)), "a test of the bundle fails")
}

func TestReadPage_NamedBundles_AreFilesOfLaterPrograms(t *testing.T) {
	program := []string{"<!-- doctest: run -->", "'''go", "package main", "", "func main() {}", "'''"}
	bundle := []string{"<!-- doctest: file a.yaml", "one: 1", "-->", "'''yaml", "two: 2", "'''"}
	blocks := read(t, "page.md", append(append(append([]string{}, program...), bundle...), program...)...)
	require.Len(t, blocks, 3)
	require.Empty(t, blocks[0].reads)
	require.Equal(t, map[string]string{"a.yaml": "one: 1\ntwo: 2\n"}, blocks[2].reads)
}

// bundleText returns the hidden lines of a block of YAML, and the block.
func (b block) bundleText() string {
	var text strings.Builder
	for _, f := range b.context {
		text.WriteString(f.text)
	}
	return text.String() + b.text
}

// load loads the blocks as policy bundles, in a test of a separate module. The error
// names pages and lines.
func load(t *testing.T, root string, blocks []block) error {
	t.Helper()
	dir := t.TempDir()
	var texts strings.Builder
	for _, b := range blocks {
		text := b.bundleText()
		shown := b.line - strings.Count(strings.TrimSuffix(text, b.text), "\n") // the page's line of the first line
		fmt.Fprintf(&texts, "\t{%q, %d, %s},\n", b.page, shown, strconv.Quote(text))
	}
	write(t, filepath.Join(dir, "bundles", "bundles_test.go"), strings.Replace(loader, "TEXTS\n", texts.String(), 1))
	return command(t, dir, workspace(t, root, dir), "go", "test", "-ldflags=-w", "-count=1", "./bundles")
}

// loader is the test that loads the bundles.
const loader = `package bundles

import (
	"errors"
	"testing"

	"github.com/farmountain/aureus-go/guard/policy"
)

var bundles = []struct {
	page string
	line int
	text string
}{
TEXTS
}

func TestBundles(t *testing.T) {
	for _, b := range bundles {
		_, err := policy.Parse([]byte(b.text))
		failure, ok := errors.AsType[*policy.LoadError](err)
		if !ok {
			if err != nil {
				t.Errorf("%s:%d: %v", b.page, b.line, err)
			}
			continue
		}
		for _, p := range failure.Problems {
			t.Errorf("%s:%d: %s", b.page, b.line+max(p.Line, 1)-1, p.Message)
		}
	}
}
`
