package celx

import (
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	_ "time/tzdata" // the time zones, on machines without a database of them

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/interpreter"
)

const (
	functionHour    = "hour"
	functionWeekday = "weekday"

	maxZones    = 1_000 // names of zones that are kept; the database has about 600
	maxZoneName = 64    // characters
)

// weekdays has the results of the function weekday, in the order of time.Weekday.
var weekdays = []string{"sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"}

// weekdayValues has the same as values of CEL, so that a call does not allocate.
var weekdayValues = func() [7]ref.Val {
	var values [7]ref.Val
	for i, day := range weekdays {
		values[i] = types.String(day)
	}
	return values
}()

var errZone = errors.New("the time zone is not known")

func isTimeFunction(name string) bool { return name == functionHour || name == functionWeekday }

// zoneFunctions declares the functions of request that read its time in a zone.
func zoneFunctions() cel.EnvOption {
	declare := func(name string, result *types.Type) cel.EnvOption {
		return cel.Function(name, cel.MemberOverload("request_"+name, []*types.Type{requestObject.kind, types.StringType}, result,
			cel.BinaryBinding(func(request, zone ref.Val) ref.Val {
				text, ok := zone.(types.String)
				if !ok {
					return types.NewErr("no such overload")
				}
				location, err := locationOf(string(text))
				if err != nil {
					return types.WrapErr(err)
				}
				return clockIn(name, request, location)
			})))
	}
	return cel.Lib(library{declare(functionHour, types.IntType), declare(functionWeekday, types.StringType)})
}

// library is a list of options.
type library []cel.EnvOption

// CompileOptions implements CEL's Library.
func (l library) CompileOptions() []cel.EnvOption { return l }

// ProgramOptions implements CEL's Library.
func (library) ProgramOptions() []cel.ProgramOption { return nil }

// clockIn returns the hour or the weekday of the request in a location.
func clockIn(function string, request ref.Val, location *time.Location) ref.Val {
	r, ok := request.(objectValue[*Request])
	if !ok {
		return types.NewErr("no such overload")
	}
	return clockOf(function, r.native, location)
}

func clockOf(function string, request *Request, location *time.Location) ref.Val {
	local := request.Time.In(location)
	if function == functionHour {
		return types.Int(local.Hour())
	}
	return weekdayValues[local.Weekday()]
}

// fixedZones replaces the calls of the functions of request whose zone is a constant:
// they then do not look up the zone again.
func fixedZones(node interpreter.InterpretableV2) (interpreter.InterpretableV2, error) {
	call, ok := node.(interpreter.InterpretableCall)
	if !ok || !isTimeFunction(call.Function()) || len(call.Args()) != 2 {
		return node, nil
	}
	constant, ok := call.Args()[1].(interpreter.InterpretableConst)
	if !ok {
		return node, nil
	}
	name, ok := constant.Value().(types.String)
	if !ok {
		return node, nil
	}
	location, err := locationOf(string(name))
	if err != nil {
		return nil, err
	}
	return &clockNode{InterpretableCall: call, request: operandOf(call.Args()[0]), location: location}, nil
}

// clockNode calls a function of request with a constant zone.
type clockNode struct {
	interpreter.InterpretableCall

	request  operand
	location *time.Location
}

// Eval implements CEL's Interpretable.
func (c *clockNode) Eval(vars interpreter.Activation) ref.Val {
	return interpreter.EvalActivation(vars, c.Exec)
}

// Exec implements CEL's InterpretableV2.
func (c *clockNode) Exec(frame *interpreter.ExecutionFrame) ref.Val {
	if frame.CostTracker() != nil {
		return c.InterpretableCall.Exec(frame) // which counts the cost
	}
	found := c.request.exec(frame)
	if types.IsUnknownOrError(found.value) {
		return found.value
	}
	if request, ok := found.native.(*Request); ok {
		return clockOf(c.Function(), request, c.location)
	}
	return types.LabelErrNode(c.ID(), clockIn(c.Function(), c.request.convert(found), c.location))
}

// zoneLiterals reports the names of unknown zones.
type zoneLiterals struct{}

// Name implements CEL's ASTValidator.
func (zoneLiterals) Name() string { return "aureus.zones" }

// Validate implements CEL's ASTValidator.
func (zoneLiterals) Validate(_ *cel.Env, _ cel.ValidatorConfig, checked *ast.AST, issues *cel.Issues) {
	for _, node := range ast.MatchDescendants(ast.NavigateAST(checked), ast.KindMatcher(ast.CallKind)) {
		call := node.AsCall()
		if !isTimeFunction(call.FunctionName()) || len(call.Args()) != 1 || call.Args()[0].Kind() != ast.LiteralKind {
			continue
		}
		if name, ok := call.Args()[0].AsLiteral().(types.String); ok {
			if _, err := locationOf(string(name)); err != nil {
				issues.ReportErrorAtID(call.Args()[0].ID(), "the time zone %.70q is not known: use a name such as 'Europe/Berlin' or 'UTC'", string(name))
			}
		}
	}
}

var (
	zones     sync.Map // name to *time.Location, at most maxZones
	zoneCount atomic.Int64
)

// locationOf returns the time zone with the name. A zone of the machine, such as Local,
// is not known.
func locationOf(name string) (*time.Location, error) {
	if known, ok := zones.Load(name); ok {
		location, _ := known.(*time.Location)
		return location, nil
	}
	if name == "" || len(name) > maxZoneName || strings.EqualFold(name, "local") {
		return nil, errZone
	}
	location, err := time.LoadLocation(name)
	if err != nil {
		return nil, errZone
	}
	if zoneCount.Add(1) <= maxZones {
		zones.Store(strings.Clone(name), location)
	}
	return location, nil
}
