package archtest

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const modulePath = "github.com/farmountain/aureus-go"

// goPackage is what these tests need to know of a package, as the go command
// tells it.
type goPackage struct {
	ImportPath   string
	Dir          string
	Name         string
	Doc          string
	Standard     bool
	GoFiles      []string
	Imports      []string
	TestImports  []string
	XTestImports []string
}

// root is the folder of the repository: the one above that has the go.work.
func root(t *testing.T) string {
	t.Helper()
	dir, err := os.Getwd()
	require.NoError(t, err)
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.work")); err == nil {
			look(t, dir)
			return dir
		}
		parent := filepath.Dir(dir)
		require.NotEqual(t, parent, dir, "there is no go.work above this test: run it inside the repository")
		dir = parent
	}
}

// look reads every folder of the repository. The go command keeps a test's
// result for as long as what the test itself opened is unchanged; what the
// commands below open it cannot know.
func look(t *testing.T, dir string) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() && path != dir && strings.HasPrefix(entry.Name(), ".") {
			return fs.SkipDir
		}
		return err
	}))
}

// output runs a command in the folder of the repository, with the workspace on
// whatever the environment says, and returns what it printed.
func output(t *testing.T, name string, args ...string) []byte {
	t.Helper()
	dir := root(t)
	command := exec.CommandContext(t.Context(), name, args...)
	command.Dir = dir
	command.Env = append(os.Environ(), "GOWORK="+filepath.Join(dir, "go.work"), "GOFLAGS=") // make race has flags for a module without it
	var problems strings.Builder
	command.Stderr = &problems
	out, err := command.Output()
	require.NoError(t, err, "%s: %s", command, problems.String())
	return out
}

// goList is what `go list -json` says of the patterns.
func goList(t *testing.T, args ...string) []goPackage {
	t.Helper()
	fields := "-json=ImportPath,Dir,Name,Doc,Standard,GoFiles,Imports,TestImports,XTestImports"
	decoder := json.NewDecoder(bytes.NewReader(output(t, "go", append([]string{"list", fields}, args...)...)))
	var packages []goPackage
	for {
		var next goPackage
		err := decoder.Decode(&next)
		if errors.Is(err, io.EOF) {
			return packages
		}
		require.NoError(t, err)
		packages = append(packages, next)
	}
}

// modules are the folders of the modules, relative to the repository, as go.work
// names them.
func modules(t *testing.T) []string {
	t.Helper()
	var work struct{ Use []struct{ DiskPath string } }
	require.NoError(t, json.Unmarshal(output(t, "go", "work", "edit", "-json"), &work))
	var dirs []string
	for _, use := range work.Use {
		dirs = append(dirs, filepath.ToSlash(filepath.Clean(use.DiskPath)))
	}
	require.NotEmpty(t, dirs, "go.work names no module")
	return dirs
}

// ours are the packages of every module.
func ours(t *testing.T) []goPackage {
	t.Helper()
	var patterns []string
	for _, dir := range modules(t) {
		patterns = append(patterns, "./"+path.Join(dir, "..."))
	}
	packages := goList(t, patterns...)
	require.Greater(t, len(packages), 5, "the go command found next to no package")
	return packages
}
