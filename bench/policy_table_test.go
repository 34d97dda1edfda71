package bench

import (
	"fmt"
	"math"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// row is one line of the table: a policy, and a question about it.
type row struct {
	name string
	plan plan
	question
}

func rows() (all []row) {
	sizes := []int{10, 100, 1000}
	for _, n := range sizes {
		all = append(all, row{fmt.Sprintf("allow, %d actions", n), plan{actions: n}, question{member, actionName(n / 2), 7}})
	}
	all = append(all,
		row{"deny, 1,000 actions", plan{actions: 1000}, question{other, actionName(501), 7}},
		row{"allow, 100 actions, 10,000 people and roles", plan{actions: 100, people: 9_990}, question{member, actionName(50), 7}})
	for _, n := range sizes {
		all = append(all, row{fmt.Sprintf("allow, %d actions, a condition on each", n), plan{actions: n, limits: true}, question{member, actionName(n / 2), 7}})
	}
	for _, n := range sizes {
		all = append(all, row{fmt.Sprintf("allow, %d conditions on one action", n), plan{actions: 10, first: n}, question{member, actionName(0), 7}})
	}
	for _, n := range sizes {
		all = append(all, row{fmt.Sprintf("deny, %d unconditional rules on one action", n), plan{actions: 10, frozen: n}, question{member, actionName(0), 7}})
	}
	return all
}

// BenchmarkPolicy measures each line with each library by itself, for a profile.
func BenchmarkPolicy(b *testing.B) {
	for _, r := range rows() {
		for _, l := range libraries() {
			b.Run(r.name+"/"+l.name, func(b *testing.B) {
				permits := l.load(b, r.plan)(r.question)
				want := permits()
				b.ReportAllocs()
				before := cpuTime()
				for b.Loop() {
					if permits() != want {
						b.Fatal("the answer changed")
					}
				}
				b.ReportMetric(float64(cpuTime()-before)/float64(b.N), "cpu-ns/op")
			})
		}
	}
}

// The columns of a line are measured in turn, rounds times, and the least is printed: what
// else the machine does then disturbs all columns alike, and the least the least.
const (
	rounds = 15
	round  = 10 * time.Millisecond // of processor time, at least
)

// BenchmarkPolicyTable prints the table of docs/benchmarks.md: processor time for each
// decision, and its allocations. All answers are compared before. It measures once,
// whatever the benchtime.
func BenchmarkPolicyTable(b *testing.B) {
	if cpuTime() == 0 {
		b.Skip("the processor time of a process cannot be read here")
	}
	b.ReportMetric(0, "ns/op")
	var table strings.Builder
	heading(&table, "CPU time of a decision (allocations)")
	for _, r := range rows() {
		line(&table, r.name, measureInTurn(readied(b, r)))
	}
	heading(&table, "Allow, 100 actions: wall time of each of many decisions")
	asked := readied(b, rows()[1])
	one, two := measureWall(asked, 1), measureWall(asked, 2)
	line(&table, "one goroutine", times(one))
	line(&table, "two goroutines", times(two))
	faster := make([]string, len(one))
	for i := range one {
		faster[i] = fmt.Sprintf("%.2f ×", one[i]/two[i])
	}
	line(&table, "faster by", faster)
	heading(&table, "1,000 actions with a condition each, from text to ready")
	spent, kept := measureLoads(b, plan{actions: 1000, limits: true})
	line(&table, "CPU time", times(spent))
	line(&table, "memory kept", kept)
	_, _ = os.Stdout.WriteString(table.String()) // b.Output ends after ten lines
}

func heading(table *strings.Builder, title string) {
	names := []string{}
	for _, l := range libraries() {
		names = append(names, l.name)
	}
	table.WriteString("\n")
	line(table, title, names)
	table.WriteString("|---" + strings.Repeat("|---", len(names)) + "|\n")
}

func line(table *strings.Builder, name string, cells []string) {
	fmt.Fprintf(table, "| %s | %s |\n", name, strings.Join(cells, " | "))
}

// readied returns the question of the line as each library asks it, after all of them have
// given the same answers.
func readied(b *testing.B, r row) (asked []func() bool) {
	b.Helper()
	for _, ask := range requireSameAnswers(b, r.plan) {
		asked = append(asked, ask(r.question))
	}
	return asked
}

func measureInTurn(asked []func() bool) []string {
	least, allocations := leastInTurn(asked)
	cells := times(least)
	for i := range cells {
		cells[i] += fmt.Sprintf(" (%.0f)", allocations[i])
	}
	return cells
}

// leastInTurn measures the functions in turn. It returns the least processor time of each in
// nanoseconds, and its allocations.
func leastInTurn(asked []func() bool) (least, allocations []float64) {
	runtime.GC()
	counts := make([]int, len(asked))
	least, allocations = make([]float64, len(asked)), make([]float64, len(asked))
	for i, permits := range asked {
		counts[i], least[i] = countFor(permits), math.Inf(1)
		allocations[i] = testing.AllocsPerRun(100, func() { permits() })
	}
	for range rounds {
		for i, permits := range asked {
			before := cpuTime()
			repeat(permits, counts[i])
			least[i] = min(least[i], float64(cpuTime()-before)/float64(counts[i]))
		}
	}
	return least, allocations
}

// measureWall measures how long each decision takes while so many goroutines ask on as
// many processors.
func measureWall(asked []func() bool, goroutines int) []float64 {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(goroutines))
	least := make([]float64, len(asked))
	for i, permits := range asked {
		count := countFor(permits)
		least[i] = math.Inf(1)
		for range rounds {
			began := time.Now()
			var running sync.WaitGroup
			for range goroutines {
				running.Go(func() { repeat(permits, count) })
			}
			running.Wait()
			least[i] = min(least[i], float64(time.Since(began))/float64(count*goroutines))
		}
	}
	return least
}

func measureLoads(b *testing.B, p plan) (spent []float64, kept []string) {
	b.Helper()
	for _, l := range libraries() {
		least, keptLeast := math.Inf(1), math.Inf(1)
		for range 3 {
			inUse, before := heap(), cpuTime()
			loaded := l.load(b, p)
			least = min(least, float64(cpuTime()-before))
			keptLeast = min(keptLeast, float64(heap())-float64(inUse))
			runtime.KeepAlive(loaded)
		}
		spent, kept = append(spent, least), append(kept, fmt.Sprintf("%.2f MB", keptLeast/1e6))
	}
	return spent, kept
}

// heap returns the bytes of the heap that are in use.
func heap() uint64 {
	runtime.GC()
	runtime.GC() // what the first one has put aside, as in a sync.Pool
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}

// countFor returns how often the question must be asked to take a round.
func countFor(permits func() bool) int {
	for count := 1; ; count *= 2 {
		before := cpuTime()
		repeat(permits, count)
		if cpuTime()-before >= round {
			return count
		}
	}
}

func repeat(permits func() bool, count int) {
	for range count {
		permits()
	}
}

// times writes nanoseconds in the unit that suits each.
func times(nanoseconds []float64) (cells []string) {
	for _, ns := range nanoseconds {
		switch {
		case ns < 1e3:
			cells = append(cells, fmt.Sprintf("%.0f ns", ns))
		case ns < 1e6:
			cells = append(cells, fmt.Sprintf("%.1f µs", ns/1e3))
		default:
			cells = append(cells, fmt.Sprintf("%.1f ms", ns/1e6))
		}
	}
	return cells
}
