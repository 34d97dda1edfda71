package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

const diskOperator = "the-operator-of-this-test"

// trouble is a way to take a running server's disk away, and to give it back.
type trouble struct {
	server     *running
	take, give func(t *testing.T)
}

// troubles are the ways that work here. The kernel refuses the writes in each.
var troubles = map[string]func(t *testing.T) trouble{
	"a full file system":             fullFileSystem,
	"files that may not grow":        sizeLimit("grow"),
	"files that may not be written":  sizeLimit("write"),
	"files that have been locked up": immutable,
}

func serveOn(t *testing.T, db string) *exec.Cmd {
	t.Helper()
	return command(t, []string{"AUREUS_OPERATOR_KEY=" + diskOperator}, "serve", "--dev", "--addr", "127.0.0.1:0", "--db", db)
}

func telemetryOf(db string) string { return strings.TrimSuffix(db, ".db") + ".telemetry.db" }

// inNamespace lets the command see folder as a small file system of its own,
// which ends with it, and runs prepare there first.
func inNamespace(t *testing.T, cmd *exec.Cmd, folder, prepare string) *exec.Cmd {
	t.Helper()
	small := func(prepare string, args ...string) *exec.Cmd {
		script := `mount -t tmpfs -o size=24m,mode=700 aureus "$0" && ` + prepare + ` && exec "$@"`
		inside := exec.CommandContext(t.Context(), "sh", append([]string{"-c", script, folder}, args...)...)
		inside.SysProcAttr = &syscall.SysProcAttr{
			Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
			UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
			GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
		}
		return inside
	}
	if said, err := small("true", "true").CombinedOutput(); err != nil {
		t.Skipf("this machine does not let a test mount a file system in a namespace of its own (%v: %s): "+
			"allow unprivileged user namespaces (sysctl kernel.apparmor_restrict_unprivileged_userns=0 on Ubuntu; --security-opt seccomp=unconfined in a container)", err, said)
	}
	inside := small(prepare, append([]string{cmd.Path}, cmd.Args[1:]...)...)
	inside.Env, inside.Dir = append(cmd.Env, "PATH="+os.Getenv("PATH")), cmd.Dir //nolint:gocritic // another command with the same environment
	return inside
}

// fullFileSystem is a file system of 24 MiB that a file of nothing fills up.
func fullFileSystem(t *testing.T) trouble { //nolint:thelper // a case, not a helper
	folder := t.TempDir()
	server := await(t, inNamespace(t, serveOn(t, filepath.Join(folder, "aureus.db")), folder, "true"))
	filler := filepath.Join("/proc", strconv.Itoa(server.cmd.Process.Pid), "root", folder, "filler") //nolint:gocritic // an absolute path
	return trouble{
		server: server,
		take: func(t *testing.T) {
			t.Helper()
			file, err := os.Create(filler)
			require.NoError(t, err)
			defer func() { require.NoError(t, file.Close()) }()
			_, err = io.Copy(file, zeros{})
			require.ErrorIs(t, err, syscall.ENOSPC)
		},
		give: func(t *testing.T) {
			t.Helper()
			require.NoError(t, os.Remove(filler))
		},
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// sizeLimit is the kernel's limit on the size of a process's files, changed from
// outside: needs no privilege.
func sizeLimit(may string) func(t *testing.T) trouble {
	return func(t *testing.T) trouble {
		t.Helper()
		return limitedOn(t, filepath.Join(t.TempDir(), "aureus.db"), may)
	}
}

func limitedOn(t *testing.T, db, may string) trouble {
	t.Helper()
	prlimit, err := exec.LookPath("prlimit")
	if err != nil {
		t.Skip("prlimit is not installed: install util-linux to have this run")
	}
	server := await(t, serveOn(t, db))
	limit := func(t *testing.T, size string) {
		t.Helper()
		said, err := exec.CommandContext(t.Context(), prlimit, "--pid", strconv.Itoa(server.cmd.Process.Pid), "--fsize="+size+":").CombinedOutput()
		require.NoError(t, err, "%s", said)
	}
	return trouble{
		server: server,
		take: func(t *testing.T) {
			t.Helper()
			control, err := os.Stat(db + "-wal")
			require.NoError(t, err)
			telemetry, err := os.Stat(telemetryOf(db) + "-wal")
			require.NoError(t, err)
			size := int64(0)
			if by, limited := strings.CutPrefix(may, "grow by "); limited {
				more, err := strconv.ParseInt(by, 10, 64)
				require.NoError(t, err)
				size = max(control.Size(), telemetry.Size()) + more
			}
			switch may {
			case "grow": // the smaller log's size is the limit of both
				size = min(control.Size(), telemetry.Size())
			case "grow beside telemetry":
				size = telemetry.Size()
				require.Less(t, control.Size()+1<<18, size, "there is room for decisions")
			}
			limit(t, strconv.FormatInt(size, 10))
		},
		give: func(t *testing.T) { t.Helper(); limit(t, "unlimited") },
	}
}

// immutable is the attribute that holds even root back.
func immutable(t *testing.T) trouble { //nolint:thelper // a case, not a helper
	db := filepath.Join(t.TempDir(), "aureus.db")
	server := await(t, serveOn(t, db))
	telemetry := telemetryOf(db)
	change := func(sign string) error {
		said, err := exec.Command("chattr", sign+"i", db, db+"-wal", telemetry, telemetry+"-wal").CombinedOutput()
		if err != nil {
			return fmt.Errorf("%w: %s", err, said)
		}
		return nil
	}
	if err := change("+"); err != nil {
		_ = change("-")
		t.Skipf("files cannot be made immutable here (%v): run this as root, with TMPDIR on ext4, xfs or btrfs", err)
	}
	t.Cleanup(func() { _ = change("-") }) // or the folder of the test stays for ever
	require.NoError(t, change("-"))
	return trouble{
		server: server,
		take:   func(t *testing.T) { t.Helper(); require.NoError(t, change("+")) },
		give:   func(t *testing.T) { t.Helper(); require.NoError(t, change("-")) },
	}
}

// A disk that takes no writes is refused at the start, with the reason.
func TestServeWithoutADisk(t *testing.T) {
	folder := t.TempDir()
	db := filepath.Join(folder, "aureus.db")
	first := await(t, serveOn(t, db))
	first.stop(t, syscall.SIGTERM)
	refusal := func(t *testing.T, cmd *exec.Cmd) string {
		t.Helper()
		said, err := cmd.CombinedOutput()
		require.Error(t, err, "%s", said)
		require.Contains(t, string(said), db)
		return string(said)
	}

	t.Run("a read-only file system", func(t *testing.T) {
		files := t.TempDir()
		require.NoError(t, os.CopyFS(files, os.DirFS(folder)))
		cmd := inNamespace(t, serveOn(t, db), folder, `cp `+files+`/* "$0" && mount -o remount,bind,ro "$0"`)
		require.Contains(t, refusal(t, cmd), "read-only file system")
	})
	t.Run("a full disk", func(t *testing.T) {
		files := t.TempDir()
		require.NoError(t, os.CopyFS(files, os.DirFS(folder)))
		cmd := inNamespace(t, serveOn(t, db), folder, `cp `+files+`/* "$0" && ! cat /dev/zero 2> /dev/null > "$0"/filler`)
		require.Contains(t, refusal(t, cmd), "is there room on its disk")
	})
	t.Run("a file without permission", func(t *testing.T) {
		if os.Geteuid() == 0 {
			t.Skip("permissions do not hold root back: run this as another user")
		}
		require.NoError(t, os.Chmod(db, 0o400))
		defer func() { require.NoError(t, os.Chmod(db, 0o600)) }()
		require.Contains(t, refusal(t, serveOn(t, db)), "permission denied")
	})
}
