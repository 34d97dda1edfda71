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

// diskFailure makes the disk of a running server refuse writes, and repairs it.
type diskFailure struct {
	server       *serverProcess
	fail, repair func(t *testing.T)
}

// diskFailures are the ways to make a disk fail. In each of them the kernel
// refuses writes.
var diskFailures = map[string]func(t *testing.T) diskFailure{
	"a full file system":            fullFileSystem,
	"files that may not grow":       sizeLimit("grow"),
	"files that may not be written": sizeLimit("write"),
	"files that are immutable":      immutable,
}

func serveCommand(t *testing.T, db string) *exec.Cmd {
	t.Helper()
	return command(t, []string{"AUREUS_OPERATOR_KEY=" + diskOperator}, "serve", "--dev", "--addr", "127.0.0.1:0", "--db", db)
}

func telemetryFile(db string) string { return strings.TrimSuffix(db, ".db") + ".telemetry.db" }

// withSmallFileSystem returns a command that sees folder as a small file
// system, which exists only in its namespace, and that runs the shell command
// prepare there first.
func withSmallFileSystem(t *testing.T, cmd *exec.Cmd, folder, prepare string) *exec.Cmd {
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
	if output, err := small("true", "true").CombinedOutput(); err != nil {
		t.Skipf("this machine does not let a test mount a file system in a namespace of its own (%v: %s): "+
			"allow unprivileged user namespaces (sysctl kernel.apparmor_restrict_unprivileged_userns=0 on Ubuntu; --security-opt seccomp=unconfined in a container)", err, output)
	}
	inside := small(prepare, append([]string{cmd.Path}, cmd.Args[1:]...)...)
	inside.Env, inside.Dir = append(cmd.Env, "PATH="+os.Getenv("PATH")), cmd.Dir //nolint:gocritic // a new slice for another command
	return inside
}

// fullFileSystem runs a server on a file system of 24 MiB. fail fills it with a
// file of zeros.
func fullFileSystem(t *testing.T) diskFailure { //nolint:thelper // a case, not a helper
	folder := t.TempDir()
	server := startAndWait(t, withSmallFileSystem(t, serveCommand(t, filepath.Join(folder, "aureus.db")), folder, "true"))
	filler := filepath.Join("/proc", strconv.Itoa(server.cmd.Process.Pid), "root", folder, "filler") //nolint:gocritic // an absolute path
	return diskFailure{
		server: server,
		fail: func(t *testing.T) {
			t.Helper()
			file, err := os.Create(filler)
			require.NoError(t, err)
			defer func() { require.NoError(t, file.Close()) }()
			_, err = io.Copy(file, zeros{})
			require.ErrorIs(t, err, syscall.ENOSPC)
		},
		repair: func(t *testing.T) {
			t.Helper()
			require.NoError(t, os.Remove(filler))
		},
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// sizeLimit makes writes fail by means of the kernel's limit on the size of files,
// which is changed from outside the process. It needs no privileges.
func sizeLimit(may string) func(t *testing.T) diskFailure {
	return func(t *testing.T) diskFailure {
		t.Helper()
		return limitFileSize(t, filepath.Join(t.TempDir(), "aureus.db"), may)
	}
}

func limitFileSize(t *testing.T, db, may string) diskFailure {
	t.Helper()
	prlimit, err := exec.LookPath("prlimit")
	if err != nil {
		t.Skip("prlimit is not installed: install util-linux to run this test")
	}
	server := startAndWait(t, serveCommand(t, db))
	limit := func(t *testing.T, size string) {
		t.Helper()
		output, err := exec.CommandContext(t.Context(), prlimit, "--pid", strconv.Itoa(server.cmd.Process.Pid), "--fsize="+size+":").CombinedOutput()
		require.NoError(t, err, "%s", output)
	}
	return diskFailure{
		server: server,
		fail: func(t *testing.T) {
			t.Helper()
			control, err := os.Stat(db + "-wal")
			require.NoError(t, err)
			telemetry, err := os.Stat(telemetryFile(db) + "-wal")
			require.NoError(t, err)
			size := int64(0)
			if by, limited := strings.CutPrefix(may, "grow by "); limited {
				more, err := strconv.ParseInt(by, 10, 64)
				require.NoError(t, err)
				size = max(control.Size(), telemetry.Size()) + more
			}
			switch may {
			case "grow": // neither log may grow beyond the size of the smaller one
				size = min(control.Size(), telemetry.Size())
			case "grow beside telemetry":
				size = telemetry.Size()
				require.Less(t, control.Size()+1<<18, size, "there is room for decisions")
			}
			limit(t, strconv.FormatInt(size, 10))
		},
		repair: func(t *testing.T) { t.Helper(); limit(t, "unlimited") },
	}
}

// immutable makes writes fail by means of the immutable attribute of the files,
// which also stops root.
func immutable(t *testing.T) diskFailure { //nolint:thelper // a case, not a helper
	db := filepath.Join(t.TempDir(), "aureus.db")
	server := startAndWait(t, serveCommand(t, db))
	telemetry := telemetryFile(db)
	change := func(sign string) error {
		output, err := exec.Command("chattr", sign+"i", db, db+"-wal", telemetry, telemetry+"-wal").CombinedOutput()
		if err != nil {
			return fmt.Errorf("%w: %s", err, output)
		}
		return nil
	}
	if err := change("+"); err != nil {
		_ = change("-")
		t.Skipf("files cannot be made immutable here (%v): run this as root, with TMPDIR on ext4, xfs or btrfs", err)
	}
	t.Cleanup(func() { _ = change("-") }) // otherwise the test's folder cannot be removed
	require.NoError(t, change("-"))
	return diskFailure{
		server: server,
		fail:   func(t *testing.T) { t.Helper(); require.NoError(t, change("+")) },
		repair: func(t *testing.T) { t.Helper(); require.NoError(t, change("-")) },
	}
}

// If the disk refuses writes, the server does not start, and its error says why.
func TestServe_UnwritableDisk_FailsAtStart(t *testing.T) {
	folder := t.TempDir()
	db := filepath.Join(folder, "aureus.db")
	first := startAndWait(t, serveCommand(t, db))
	first.stop(t, syscall.SIGTERM)
	refusal := func(t *testing.T, cmd *exec.Cmd) string {
		t.Helper()
		output, err := cmd.CombinedOutput()
		require.Error(t, err, "%s", output)
		require.Contains(t, string(output), db)
		return string(output)
	}

	t.Run("a read-only file system", func(t *testing.T) {
		files := t.TempDir()
		require.NoError(t, os.CopyFS(files, os.DirFS(folder)))
		cmd := withSmallFileSystem(t, serveCommand(t, db), folder, `cp `+files+`/* "$0" && mount -o remount,bind,ro "$0"`)
		require.Contains(t, refusal(t, cmd), "read-only file system")
	})
	t.Run("a full disk", func(t *testing.T) {
		files := t.TempDir()
		require.NoError(t, os.CopyFS(files, os.DirFS(folder)))
		cmd := withSmallFileSystem(t, serveCommand(t, db), folder, `cp `+files+`/* "$0" && ! cat /dev/zero 2> /dev/null > "$0"/filler`)
		require.Contains(t, refusal(t, cmd), "is there room on its disk")
	})
	t.Run("a file without permission", func(t *testing.T) {
		if os.Geteuid() == 0 {
			t.Skip("permissions do not hold root back: run this as another user")
		}
		require.NoError(t, os.Chmod(db, 0o400))
		defer func() { require.NoError(t, os.Chmod(db, 0o600)) }()
		require.Contains(t, refusal(t, serveCommand(t, db)), "permission denied")
	})
}
