package aureus

import (
	"encoding/json"
	"maps"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/internal/strictjson"
)

// schema has the keywords of JSON Schema that describe the published models.
type schema struct {
	Type       string            `json:"type"`
	Ref        string            `json:"$ref"`
	Properties map[string]schema `json:"properties"`
	Required   []string          `json:"required"`
	Items      *schema           `json:"items"`
	Additional *schema           `json:"additionalProperties"` //nolint:tagliatelle // a word of JSON Schema
	AnyOf      []schema          `json:"anyOf"`                //nolint:tagliatelle // a word of JSON Schema
	Const      any               `json:"const"`
	Minimum    *float64          `json:"minimum"`
	Maximum    *float64          `json:"maximum"`
}

// words lists the enums that the schemas refer to, with the values of the published
// client.
var words = map[string][]string{
	"RiskTier": {"LOW", "MEDIUM", "HIGH", "CRITICAL"}, "PolicyRiskTier": {"low", "medium", "high", "critical"},
	"Intent": {"read", "write", "delete", "execute", "admin"}, "DataZone": {"public", "internal", "confidential", "restricted"},
	"TaskType": {"action", "decision", "parallel"}, "SandboxType": {"mock", "simulation", "container", "vm", "process"},
	"GoalGuardState":     {"idle", "evaluating", "approved", "rejected", "pending_human"},
	"FailureTaxonomy":    {"MISSING_DATA", "CONFLICT", "OUT_OF_SCOPE", "LOW_CONFIDENCE", "POLICY_VIOLATION", "TOOL_ERROR", "NON_DETERMINISM"},
	"TelemetryEventType": {"step_start", "step_end", "tool_call", "crv_result", "policy_check", "snapshot_commit", "rollback", "custom"},
	"LogLevel":           {"debug", "info", "warn", "error"},
}

// goModels lists our types for the published models. The four recovery strategies are
// methods of our types: see TestRecoveryStrategies_Maps_AreThePublishedModels.
var goModels = map[string]reflect.Type{
	"Action": reflect.TypeFor[Action](), "AuditEntry": reflect.TypeFor[AuditEntry](),
	"Commit": reflect.TypeFor[Commit](), "CompensationAction": reflect.TypeFor[CompensationAction](), "CompensationHook": reflect.TypeFor[CompensationHooks](),
	"GateConfig": reflect.TypeFor[GateConfig](), "GateResult": reflect.TypeFor[GateResult](), "GuardDecision": reflect.TypeFor[GuardDecision](),
	"LogEntry": reflect.TypeFor[SpanLog](), "Metric": reflect.TypeFor[Metric](), "Permission": reflect.TypeFor[Permission](),
	"PolicyContext": reflect.TypeFor[PolicyContext](), "Principal": reflect.TypeFor[Principal](),
	"RetryConfig": reflect.TypeFor[RetryConfig](), "SafetyPolicy": reflect.TypeFor[SafetyPolicy](), "SafetyRule": reflect.TypeFor[SafetyRule](),
	"SandboxConfig": reflect.TypeFor[SandboxConfig](), "Span": reflect.TypeFor[Span](), "StateTransition": reflect.TypeFor[StateTransition](),
	"TaskExecutionResult": reflect.TypeFor[TaskResult](), "TaskSpec": reflect.TypeFor[TaskSpec](), "TelemetryEvent": reflect.TypeFor[TelemetryEvent](),
	"ValidationResult": reflect.TypeFor[ValidationResult](), "WorkflowExecutionRequest": reflect.TypeFor[executeRequest](),
	"WorkflowExecutionResult": reflect.TypeFor[WorkflowExecutionResult](), "WorkflowSpec": reflect.TypeFor[WorkflowSpec](),
}

// modelsOfNoCall lists published models that no call of the published client accepts or
// returns, and to which no other model refers: there are no Go types for them.
var modelsOfNoCall = []string{"ApprovalToken", "RecoveryResult"}

func sdkModels(t *testing.T) (models map[string]schema, text []byte) {
	t.Helper()
	text, err := os.ReadFile("testdata/models.json")
	require.NoError(t, err)
	var file struct {
		Models map[string]schema `json:"models"`
	}
	require.NoError(t, json.Unmarshal(text, &file))
	require.Greater(t, len(file.Models), 30)
	return file.Models, text
}

// fieldOf is the field of a model with that JSON name or alias.
func fieldOf(t *testing.T, model reflect.Type, name string) reflect.StructField {
	t.Helper()
	for field := range model.Fields() {
		tag, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		if tag == name || strings.Contains(","+field.Tag.Get("aureus")+",", ",alias="+name+",") {
			return field
		}
	}
	require.Fail(t, "the model has no such field", "%s.%s", model, name)
	return reflect.StructField{}
}

// plain is the schema without null, and whether null was allowed.
func (s schema) plain() (_ schema, nullable bool) {
	if len(s.AnyOf) == 0 {
		return s, false
	}
	for _, one := range s.AnyOf {
		if one.Type != "null" {
			return one, true
		}
	}
	return schema{}, true
}

// fits compares the type of a field with its schema.
func (s schema) fits(t *testing.T, models map[string]schema, path string, got reflect.Type, tag string) {
	t.Helper()
	s, _ = s.plain() //nolint:revive // the schema without its null
	for got.Kind() == reflect.Pointer {
		got = got.Elem()
	}
	for _, bound := range []struct {
		name  string
		value *float64
	}{{"min", s.Minimum}, {"max", s.Maximum}} {
		want := ""
		if bound.value != nil {
			want = bound.name + "=" + strconv.FormatFloat(*bound.value, 'f', -1, 64)
		}
		found := ""
		for part := range strings.SplitSeq(tag, ",") {
			if strings.HasPrefix(part, bound.name+"=") {
				found = part
			}
		}
		require.Equal(t, want, found, "%s: minimum or maximum", path)
	}
	name := strings.TrimPrefix(s.Ref, "#/$defs/")
	switch {
	case s.Ref != "" && words[name] != nil:
		require.Equal(t, reflect.String, got.Kind(), path)
		list, ok := reflect.TypeAssert[strictjson.Words](reflect.Zero(got))
		require.True(t, ok, "%s: %s has no enumeration", path, got)
		for _, word := range words[name] {
			require.Contains(t, list.Words(), word, path)
		}
		if name != "TelemetryEventType" { // the server side of Aureus knows three more
			require.Len(t, list.Words(), len(words[name]), path)
		}
	case s.Ref != "":
		require.Equal(t, goModels[name], got, path)
	case s.Type == "":
		require.Equal(t, reflect.Interface, got.Kind(), path)
	case s.Type == "array":
		require.Equal(t, reflect.Slice, got.Kind(), path)
		s.Items.fits(t, models, path+"[]", got.Elem(), "")
	case s.Type == "object":
		require.Equal(t, reflect.Map, got.Kind(), path)
		if s.Additional != nil {
			s.Additional.fits(t, models, path+"{}", got.Elem(), "")
		} else {
			require.Equal(t, reflect.Interface, got.Elem().Kind(), path)
		}
	default:
		want := map[string]reflect.Kind{"string": reflect.String, "boolean": reflect.Bool, "integer": reflect.Int, "number": reflect.Float64}[s.Type]
		require.Equal(t, want, got.Kind(), path)
		if want == reflect.String {
			_, closed := reflect.TypeAssert[strictjson.Words](reflect.Zero(got))
			require.False(t, closed, "%s: it is free text in the published model", path)
		}
	}
}

// TestModels_EveryPublishedField_IsOurs compares each model of the published client
// with ours, field by field.
func TestModels_EveryPublishedField_IsOurs(t *testing.T) {
	t.Parallel()
	models, text := sdkModels(t)
	for name, model := range models {
		if strings.HasSuffix(name, "Strategy") {
			continue
		}
		if slices.Contains(modelsOfNoCall, name) {
			require.NotContains(t, string(text), `"#/$defs/`+name+`"`, "another model refers to it, so a call needs it")
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := goModels[name]
			require.NotNil(t, got, "there is no Go type for it")
			for property, s := range model.Properties {
				field := fieldOf(t, got, property)
				_, rest, _ := strings.Cut(field.Tag.Get("json"), ",")
				required := !strings.Contains(rest, "omitzero") && !strings.Contains(rest, "omitempty")
				require.Equal(t, slices.Contains(model.Required, property), required, "%s: whether it is required", property)
				s.fits(t, models, name+"."+property, field.Type, field.Tag.Get("aureus"))
			}
			// Our additions must not be required: the published client does not send them.
			for field := range got.Fields() {
				tag, rest, _ := strings.Cut(field.Tag.Get("json"), ",")
				_, published := model.Properties[strings.TrimSuffix(tag, "_state")]
				if _, direct := model.Properties[tag]; !direct && !published && tag != "-" && tag != "" {
					require.Contains(t, rest, "omitzero", "%s is an addition to the published model", tag)
				}
			}
		})
	}
}

// instance is a value that fits the schema; depth stops recursion.
func (s schema) instance(models map[string]schema, depth int) any {
	s, _ = s.plain()
	name := strings.TrimPrefix(s.Ref, "#/$defs/")
	switch {
	case words[name] != nil:
		return words[name][len(words[name])-1]
	case s.Ref != "":
		return models[name].full(models, depth+1)
	case s.Const != nil:
		return s.Const
	}
	switch s.Type {
	case "array":
		return []any{s.Items.instance(models, depth+1)}
	case "object":
		if s.Additional != nil {
			return map[string]any{"a": s.Additional.instance(models, depth+1)}
		}
		return map[string]any{"a": nil, "n": json.Number("1000000000000000000000000000000")}
	case "boolean":
		return true
	case "integer":
		return json.Number("3")
	case "number":
		return json.Number("0.5")
	case "string":
		return "téxt"
	}
	return map[string]any{"any": []any{json.Number("1"), nil}}
}

func (s schema) full(models map[string]schema, depth int) map[string]any {
	object := map[string]any{}
	for name, property := range s.Properties {
		object[name] = property.instance(models, depth)
	}
	return object
}

// TestModels_GeneratedInstances_AreReadAndWritten decodes and encodes instances of each
// published model, and checks that invalid instances are refused.
func TestModels_GeneratedInstances_AreReadAndWritten(t *testing.T) {
	t.Parallel()
	models, _ := sdkModels(t)
	for name, got := range goModels {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			model := models[name]
			read := func(object map[string]any) (any, error) {
				text, err := strictjson.Marshal(object)
				require.NoError(t, err)
				out := reflect.New(got)
				return out.Interface(), strictjson.Unmarshal(text, out.Interface())
			}
			full := model.full(models, 0)
			value, err := read(full)
			require.NoError(t, err)
			text, err := strictjson.Marshal(value)
			require.NoError(t, err)
			written, err := strictjson.Parse(text)
			require.NoError(t, err)
			sent := mustParse(t, full)
			require.Equal(t, asWritten(sent), written, "encoding the decoded value gives the same JSON")

			bare := map[string]any{}
			for property, s := range model.Properties {
				switch {
				case slices.Contains(model.Required, property):
					bare[property] = full[property]
				default:
					if _, nullable := s.plain(); nullable {
						bare[property] = nil // as the published client sends unset fields
					}
				}
			}
			_, err = read(bare)
			require.NoError(t, err, "only the required fields, and null for the others")

			for property, s := range model.Properties {
				s, _ = s.plain()
				if slices.Contains(model.Required, property) {
					without := maps.Clone(full)
					delete(without, property)
					_, err := read(without)
					require.Error(t, err, "without %s", property)
				}
				var wrong []any
				switch {
				case words[strings.TrimPrefix(s.Ref, "#/$defs/")] != nil:
					wrong = []any{"something", json.Number("1"), ""}
				case s.Ref != "", s.Type == "object":
					wrong = []any{"text", []any{}}
				case s.Type == "array":
					wrong = []any{"text", map[string]any{}}
				case s.Type == "string":
					wrong = []any{json.Number("1"), true, []any{}, map[string]any{}}
				case s.Type == "boolean":
					wrong = []any{[]any{}, "maybe"}
				case s.Type == "integer":
					wrong = []any{json.Number("1.5"), "text"}
				case s.Type == "number":
					wrong = []any{"text", []any{}}
				}
				if s.Minimum != nil {
					wrong = append(wrong, json.Number(strconv.FormatFloat(*s.Minimum-1, 'f', -1, 64)))
				}
				if s.Maximum != nil {
					wrong = append(wrong, json.Number(strconv.FormatFloat(*s.Maximum+0.01, 'f', -1, 64)))
				}
				for _, value := range wrong {
					changed := maps.Clone(full)
					changed[property] = value
					_, err := read(changed)
					require.Error(t, err, "%s = %v", property, value)
				}
			}
		})
	}
}

func mustParse(t *testing.T, v any) any {
	t.Helper()
	text, err := strictjson.Marshal(v)
	require.NoError(t, err)
	parsed, err := strictjson.Parse(text)
	require.NoError(t, err)
	return parsed
}

// asWritten renames from and to of state transitions as our encoder writes them.
func asWritten(value any) any {
	switch value := value.(type) {
	case map[string]any:
		object := map[string]any{}
		_, from := value["from"]
		_, to := value["to"]
		for name, member := range value {
			if from && to && len(value) == 2 {
				name += "_state"
			}
			object[name] = asWritten(member)
		}
		return object
	case []any:
		list := make([]any, len(value))
		for i, item := range value {
			list[i] = asWritten(item)
		}
		return list
	}
	return value
}

func TestRecoveryStrategies_Maps_AreThePublishedModels(t *testing.T) {
	t.Parallel()
	models, _ := sdkModels(t)
	for name, strategy := range map[string]RecoveryStrategy{
		"RetryAltToolStrategy": RetryAltTool{ToolName: "t", MaxRetries: 2}, "AskUserStrategy": AskUser{Prompt: "p"},
		"EscalateStrategy": Escalate{Reason: "r"}, "IgnoreStrategy": Ignore{Justification: "j"},
	} {
		model := models[name]
		written, ok := mustParse(t, strategy.Strategy()).(map[string]any)
		require.True(t, ok)
		require.Len(t, written, len(model.Properties), name)
		for property, s := range model.Properties {
			want := map[string]any{"string": "", "integer": json.Number("")}[s.Type]
			require.IsType(t, want, written[property], "%s.%s", name, property)
			if s.Const != nil {
				require.Equal(t, s.Const, written[property])
			}
		}
	}
}
