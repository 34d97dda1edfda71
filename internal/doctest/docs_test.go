package doctest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The pages that are checked. CHANGELOG.md is not checked, because it shows code of
// earlier versions.
var pages = []string{"README.md", "CONTRIBUTING.md", "SECURITY.md", "docs/*.md", "docs/*/*.md"}

func TestPages_GoBlocks_Compile(t *testing.T) {
	root := repository(t)
	blocks := pageBlocks(t, root, "go")
	require.True(t, slices.ContainsFunc(blocks, func(b block) bool { return b.page == "README.md" }),
		"README.md has no Go block, so nothing was compiled")
	require.NoError(t, compile(t, root, blocks))
}

func TestPages_ShellBlocks_NameExistingThings(t *testing.T) {
	root := repository(t)
	blocks := pageBlocks(t, root, "sh", "console")
	require.NotEmpty(t, blocks, "no page has a shell block, so nothing was checked")
	for _, b := range blocks {
		require.NoError(t, b.checkShell(root))
	}
}

// Links to files of the repository lead to files that exist.
func TestPages_Links_LeadToExistingFiles(t *testing.T) {
	root := repository(t)
	link := regexp.MustCompile(`\]\(([^)#\s:]+)(?:#[^)]*)?\)`)
	for _, page := range pageNames(t, root) {
		text, err := os.ReadFile(filepath.Join(root, page))
		require.NoError(t, err)
		for _, found := range link.FindAllStringSubmatch(fenced.ReplaceAllString(string(text), ""), -1) {
			require.FileExists(t, filepath.Join(root, filepath.Dir(page), found[1]), "%s links to %s", page, found[1])
		}
	}
}

// repository returns the root of the repository. It reads every folder: the go
// command caches a test result as long as the files that the test itself opened
// are unchanged, and it does not know what the compiler opens.
func repository(t *testing.T) string {
	t.Helper()
	root, err := filepath.Abs(filepath.Join("..", ".."))
	require.NoError(t, err)
	require.FileExists(t, filepath.Join(root, "go.work"))
	require.NoError(t, filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() && path != root && strings.HasPrefix(entry.Name(), ".") {
			return fs.SkipDir
		}
		return err
	}))
	return root
}

// pageNames returns the pages to check, relative to the repository.
func pageNames(t *testing.T, root string) []string {
	t.Helper()
	require.FileExists(t, filepath.Join(root, "README.md"), "README.md is missing")
	var names []string
	for _, pattern := range pages {
		found, err := filepath.Glob(filepath.Join(root, filepath.FromSlash(pattern)))
		require.NoError(t, err)
		for _, name := range found {
			relative, err := filepath.Rel(root, name)
			require.NoError(t, err)
			names = append(names, filepath.ToSlash(relative))
		}
	}
	return names
}

// pageBlocks returns the blocks of all pages in one of the languages.
func pageBlocks(t *testing.T, root string, languages ...string) []block {
	t.Helper()
	var all []block
	for _, page := range pageNames(t, root) {
		text, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(page)))
		require.NoError(t, err)
		blocks, err := readPage(page, string(text))
		require.NoError(t, err)
		all = append(all, blocks...)
	}
	return slices.DeleteFunc(all, func(b block) bool { return !slices.Contains(languages, b.language) })
}

// compile compiles the blocks as packages of a separate module, all at once,
// and runs those that are marked to be run. The error names pages and lines.
func compile(t *testing.T, root string, blocks []block) error {
	t.Helper()
	dir := t.TempDir()
	var problems []error
	folders := map[string]block{}
	for _, b := range blocks {
		files, err := b.files(root)
		if err != nil {
			problems = append(problems, err)
			continue
		}
		folder := fmt.Sprintf("%s_%d", strings.NewReplacer("/", "_", ".", "_").Replace(strings.ToLower(b.page)), b.line)
		folders[folder] = b
		for name, text := range files {
			write(t, filepath.Join(dir, folder, name), text)
		}
	}
	if len(folders) > 0 {
		environment := workspace(t, root, dir)
		if err := command(t, dir, environment, "go", "vet", "-unreachable=false", "./..."); err != nil {
			problems = append(problems, err)
		}
		for folder, b := range folders {
			if b.run {
				if err := runProgram(t, dir, environment, folder, b); err != nil {
					problems = append(problems, b.errorf("the program did not succeed: %w", err))
				}
			}
			if b.test {
				printed, err := output(t, dir, environment, "go", "test", "-ldflags=-w", "-v", "-count=1", "./"+folder)
				if err == nil && !strings.Contains(printed, "--- PASS: Test") {
					err = errors.New("there is no test")
				}
				if err != nil {
					problems = append(problems, b.errorf("the tests did not succeed: %w", err))
				}
			}
		}
	}
	if err := errors.Join(problems...); err != nil {
		return errors.New(strings.ReplaceAll(err.Error(), root+string(filepath.Separator), ""))
	}
	return nil
}

// workspace makes dir a module that uses the modules of this repository, and
// returns the environment for the go command.
func workspace(t *testing.T, root, dir string) []string {
	t.Helper()
	ours, err := os.ReadFile(filepath.Join(root, "go.work"))
	require.NoError(t, err)
	version := regexp.MustCompile(`(?m)^go .*$`).Find(ours)
	require.NotEmpty(t, version, "go.work has no go line")
	work := regexp.MustCompile(`(?m)(^\s*|=> )(\./?\S*)\s*$`).ReplaceAllStringFunc(string(ours), func(end string) string {
		start, folder, _ := strings.Cut(end, ".")
		return start + filepath.Join(root, filepath.FromSlash("."+folder))
	})
	write(t, filepath.Join(dir, "go.work"), work+"\nuse .\n")
	write(t, filepath.Join(dir, "go.mod"), "module pages.example\n\n"+string(version)+"\n")
	sums, err := os.ReadFile(filepath.Join(root, "go.work.sum"))
	require.NoError(t, err)
	write(t, filepath.Join(dir, "go.work.sum"), string(sums))
	return append(os.Environ(), "GOWORK="+filepath.Join(dir, "go.work"), "GOFLAGS=", "CGO_ENABLED=0")
}

// runProgram builds the program in the folder, runs it in a folder with the files that
// it reads, and compares its output with the page's, if the page shows it.
func runProgram(t *testing.T, dir string, environment []string, folder string, b block) error {
	t.Helper()
	program := filepath.Join(dir, folder, "program")
	if err := command(t, dir, environment, "go", "build", "-ldflags=-w", "-o", program, "./"+folder); err != nil {
		return err
	}
	at := t.TempDir()
	for name, text := range b.reads {
		write(t, filepath.Join(at, name), text)
	}
	printed, err := output(t, at, environment, program)
	want := b.prints
	if err != nil || want == nil || printed == want.text {
		return err
	}
	return want.errorf("according to the page, the program prints\n%sbut it prints\n%s", want.text, printed)
}

// command runs a command for at most five minutes. Its error holds what was
// printed.
func command(t *testing.T, dir string, environment []string, name string, arguments ...string) error {
	t.Helper()
	_, err := output(t, dir, environment, name, arguments...)
	return err
}

// output is like command, and also returns what the command printed.
func output(t *testing.T, dir string, environment []string, name string, arguments ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	run := exec.CommandContext(ctx, name, arguments...)
	run.Dir, run.Env, run.WaitDelay = dir, environment, time.Second
	printed, err := run.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w\n%s", filepath.Base(name), strings.Join(arguments, " "), err, printed)
	}
	return string(printed), nil
}

func write(t *testing.T, name, text string) {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Dir(name), 0o755))
	require.NoError(t, os.WriteFile(name, []byte(text), 0o600))
}
