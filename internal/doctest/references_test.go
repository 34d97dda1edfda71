package doctest

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/require"
)

// Links of pages to headings, and mentions of pages and headings in Go files,
// lead to existing ones. Go files name pages relative to the root of the
// repository, such as docs/spec/policy.md#risk-tiers.
func TestReferences_Headings_Exist(t *testing.T) {
	root := repository(t)
	headings := pageHeadings(t, root)
	for _, page := range pageNames(t, root) {
		for _, target := range linksOf(page, readText(t, root, page)) {
			require.NoError(t, headings.check(target), "in %s", page)
		}
	}
	mentioned := 0
	for _, file := range goFiles(t, root) {
		for _, target := range mention.FindAllString(readText(t, root, file), -1) {
			require.NoError(t, headings.check(target), "in %s", file)
			mentioned++
		}
	}
	require.Positive(t, mentioned, "no Go file mentions a page, so nothing was checked")
}

// References to numbered sections of documents outside the repository are not
// allowed.
func TestReferences_NumberedSections_DoNotOccur(t *testing.T) {
	root := repository(t)
	for _, file := range append(goFiles(t, root), pageNames(t, root)...) {
		require.Empty(t, numbered.FindString(readText(t, root, file)), "%s cites a section by its number; write the rule itself, or link to docs/spec", file)
	}
}

func TestReferences_Patterns_FindEachForm(t *testing.T) {
	const page = "# The page\n\n## What is kept?\n\n```sh\n# no heading\n```\n\n### The `id` of a key, and\u00a0more\n\n## What is kept?\n"
	all := headings{"docs/spec/a.md": anchors(page)}
	for _, good := range []string{"docs/spec/a.md", "docs/spec/a.md#the-page", "docs/spec/a.md#what-is-kept", "docs/spec/a.md#what-is-kept-1", "docs/spec/a.md#the-id-of-a-key-andmore"} {
		require.NoError(t, all.check(good))
	}
	for _, bad := range []string{"docs/spec/b.md", "docs/spec/a.md#no-heading", "docs/spec/a.md#what-is-kept-2", "docs/spec/a.md#"} {
		require.Error(t, all.check(bad), bad)
	}
	require.Equal(t, []string{"docs/spec/b.md#x", "docs/api.md#y", "docs/spec/a.md#z"},
		linksOf("docs/spec/a.md", "[b](b.md#x) and [c](../api.md#y), [d](#z), [e](https://example.com/e.md#f), [g](../../go.mod)"))
	require.Equal(t, []string{"docs/spec/a.md#b-c", "docs/limits.md"}, mention.FindAllString("// See docs/spec/a.md#b-c. And (docs/limits.md).", -1))
	for _, text := range []string{"(SP" + "EC 3.2)", "SP" + "EC P6", "SP" + "EC\n// 6.4", "SP" + "EC, trap 9", "SP" + "EC section 6", "of SP" + "EC 3.1 to 3.5"} {
		require.NotEmpty(t, numbered.FindString(text), text)
	}
	require.Empty(t, numbered.FindString("the SPEC of something, RFC 6901, docs/spec/policy.md"))
}

var (
	mention  = regexp.MustCompile(`\bdocs/[a-zA-Z0-9/_-]+\.md(?:#[a-z0-9_-]*)?`)
	link     = regexp.MustCompile(`\]\(([^)\s:]*#[^)\s]*)\)`)
	heading  = regexp.MustCompile(`(?m)^#{1,6} +(.+?) *$`)
	fenced   = regexp.MustCompile("(?s)(?:^|\n) *(?:```|~~~).*?\n *(?:```|~~~)")
	numbered = regexp.MustCompile(`\bSPEC(?:,|\s|//|section|trap)*\s(?:\d|[A-Z]\d)`)
)

// headings are the anchors of the headings of pages.
type headings map[string]map[string]bool

func (h headings) check(target string) error {
	page, anchor, anchored := strings.Cut(target, "#")
	found, ok := h[page]
	switch {
	case !ok:
		return fmt.Errorf("there is no page %s", page)
	case anchored && !found[anchor]:
		return fmt.Errorf("%s has no heading #%s", page, anchor)
	}
	return nil
}

func pageHeadings(t *testing.T, root string) headings {
	t.Helper()
	all := headings{}
	for _, page := range pageNames(t, root) {
		all[page] = anchors(readText(t, root, page))
	}
	return all
}

// anchors returns the anchors of the headings of a page, as a renderer creates
// them: in lower case, with hyphens for spaces, without punctuation, and
// numbered from 1 on if they repeat.
func anchors(text string) map[string]bool {
	found := map[string]bool{}
	for _, line := range heading.FindAllStringSubmatch(fenced.ReplaceAllString(text, ""), -1) {
		slug := strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case r == '-', r == '_', unicode.IsLetter(r), unicode.IsDigit(r):
				return unicode.ToLower(r)
			}
			return -1
		}, line[1])
		unique := slug
		for n := 1; found[unique]; n++ {
			unique = fmt.Sprintf("%s-%d", slug, n)
		}
		found[unique] = true
	}
	return found
}

// linksOf returns the pages and headings that a page links to, relative to the
// root of the repository.
func linksOf(page, text string) (targets []string) {
	for _, found := range link.FindAllStringSubmatch(text, -1) {
		file, anchor, _ := strings.Cut(found[1], "#")
		if file == "" {
			file = path.Base(page)
		}
		if strings.HasSuffix(file, ".md") {
			targets = append(targets, path.Join(path.Dir(page), file)+"#"+anchor)
		}
	}
	return targets
}

// goFiles returns the Go files of all modules, except this one, which contains
// the patterns.
func goFiles(t *testing.T, root string) (files []string) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(root, func(file string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && file != root && strings.HasPrefix(entry.Name(), "."):
			return fs.SkipDir
		case entry.IsDir() || !strings.HasSuffix(file, ".go") || entry.Name() == "references_test.go":
			return nil
		}
		name, err := filepath.Rel(root, file)
		files = append(files, filepath.ToSlash(name))
		return err
	}))
	return files
}

func readText(t *testing.T, root, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(name)))
	require.NoError(t, err)
	return string(text)
}
