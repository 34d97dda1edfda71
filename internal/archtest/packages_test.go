package archtest

import (
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Every package has a package comment in the usual form.
func TestPackages_All_HaveAPackageComment(t *testing.T) {
	for _, p := range allPackages(t) {
		if len(p.GoFiles) == 0 {
			continue // a package of tests only
		}
		require.NotEmpty(t, p.Doc, "%s has no package comment: say in a doc.go what it is for", p.ImportPath)
		if p.Name != "main" {
			require.True(t, strings.HasPrefix(p.Doc, "Package "+p.Name+" "),
				"the comment of %s starts with %q instead of \"Package %s\"", p.ImportPath, p.Doc, p.Name)
		}
	}
}

// make, CI and these tests use the modules that go.work lists. A module that it does
// not list would not be tested.
func TestWorkspace_Modules_AreAllListed(t *testing.T) {
	dir := root(t)
	var found []string
	require.NoError(t, filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := entry.Name()
		if entry.IsDir() && path != dir && (strings.HasPrefix(name, ".") || name == "testdata" || name == "node_modules") {
			return fs.SkipDir
		}
		if name == "go.mod" {
			relative, err := filepath.Rel(dir, filepath.Dir(path))
			if err != nil {
				return err
			}
			found = append(found, filepath.ToSlash(relative))
		}
		return nil
	}))
	named := modules(t)
	slices.Sort(found)
	slices.Sort(named)
	require.Equal(t, found, named, "modules in the repository, and modules in go.work")
}
