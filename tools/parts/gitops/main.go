// What GitOps tools make of objects, by their own code: kstatus (Flux, Helm), the health checks of a Flux Kustomization
// in CEL, and a health script on the Lua interpreter of Argo CD. One question on stdin, one list of answers on stdout.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	flux "github.com/fluxcd/kustomize-controller/api/v1"
	"github.com/fluxcd/pkg/runtime/cel"
	lua "github.com/yuin/gopher-lua"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

type question struct {
	Objects       []unstructured.Unstructured `json:"objects"`
	Script        string                      `json:"script"`
	Kustomization json.RawMessage             `json:"kustomization"`
}

type verdict struct {
	Status  string `json:"status"`
	Message string `json:"message"`
}

type answer struct {
	Kstatus verdict `json:"kstatus"`
	Flux    verdict `json:"flux"`
	Argo    verdict `json:"argo"`
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	var asked question
	if err := json.NewDecoder(os.Stdin).Decode(&asked); err != nil {
		return err
	}
	evaluator, err := evaluatorOf(asked.Kustomization)
	if err != nil {
		return err
	}
	answers := []answer{}
	for i := range asked.Objects {
		object := &asked.Objects[i]
		byRules, err := status.Compute(object)
		if err != nil {
			return err
		}
		byExprs, err := evaluator.Evaluate(context.Background(), object)
		if err != nil { // Flux waits on
			byExprs = &status.Result{Status: status.UnknownStatus, Message: err.Error()}
		}
		byScript, err := health(asked.Script, object.Object)
		if err != nil {
			return err
		}
		answers = append(answers, answer{verdictOf(byRules), verdictOf(byExprs), byScript})
	}
	return json.NewEncoder(os.Stdout).Encode(answers)
}

// The Kustomization may have no field that Flux does not know, and has one health check.
func evaluatorOf(kustomization []byte) (*cel.StatusEvaluator, error) {
	decoder := json.NewDecoder(bytes.NewReader(kustomization))
	decoder.DisallowUnknownFields()
	var decoded flux.Kustomization
	if err := decoder.Decode(&decoded); err != nil {
		return nil, err
	}
	checks := decoded.Spec.HealthCheckExprs
	if len(checks) != 1 {
		return nil, fmt.Errorf("the Kustomization has %d health checks, not 1", len(checks))
	}
	return cel.NewStatusEvaluator(&checks[0].HealthCheckExpressions)
}

func verdictOf(result *status.Result) verdict {
	return verdict{Status: result.Status.String(), Message: result.Message}
}

// As Argo CD runs a script of the cluster's configuration: no strings, no files, a second of time.
func health(script string, object map[string]any) (verdict, error) {
	state := lua.NewState(lua.Options{SkipOpenLibs: true})
	defer state.Close()
	for name, open := range map[string]lua.LGFunction{
		lua.LoadLibName: lua.OpenPackage,
		lua.BaseLibName: lua.OpenBase,
		lua.TabLibName:  lua.OpenTable,
	} {
		if err := state.CallByParam(lua.P{Fn: state.NewFunction(open), Protect: true}, lua.LString(name)); err != nil {
			return verdict{}, err
		}
	}
	bounded, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	state.SetContext(bounded)
	state.SetGlobal("obj", luaOf(state, object))
	if err := state.DoString(script); err != nil {
		return verdict{}, err
	}
	table, isTable := state.Get(-1).(*lua.LTable)
	if !isTable {
		return verdict{}, fmt.Errorf("the script returns a %s, not a table", state.Get(-1).Type())
	}
	var said verdict
	for key, field := range map[string]*string{"status": &said.Status, "message": &said.Message} {
		text, isText := table.RawGetString(key).(lua.LString)
		if !isText {
			return verdict{}, fmt.Errorf("the script's %s is a %s, not a string", key, table.RawGetString(key).Type())
		}
		*field = string(text)
	}
	return said, nil
}

func luaOf(state *lua.LState, value any) lua.LValue {
	switch value := value.(type) {
	case string:
		return lua.LString(value)
	case bool:
		return lua.LBool(value)
	case int64:
		return lua.LNumber(value)
	case float64:
		return lua.LNumber(value)
	case []any:
		table := state.CreateTable(len(value), 0)
		for _, item := range value {
			table.Append(luaOf(state, item))
		}
		return table
	case map[string]any:
		table := state.CreateTable(0, len(value))
		for key, item := range value {
			table.RawSetString(key, luaOf(state, item))
		}
		return table
	default:
		return lua.LNil
	}
}
