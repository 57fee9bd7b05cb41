-- Health of a Neo4jBackup in Argo CD, from its conditions. docs/gitops.md tells where to put it.
local function by_type(list)
  local found = {}
  for _, condition in ipairs(list) do
    found[condition.type or ""] = condition
  end
  return found
end

local function verdict(status, condition)
  local reason = condition.reason or "Unknown"
  return { status = status, message = reason .. ": " .. (condition.message or "") }
end

local status = obj.status or {}
local is = by_type(status.conditions or {})
local ready = is.Ready or {}
local last = is.LastRunSucceeded or {}

if status.observedGeneration ~= obj.metadata.generation or is.Ready == nil then
  return { status = "Progressing", message = "The operator has not looked at it since it was changed" }
end
if is.Stalled ~= nil and is.Stalled.status == "True" then
  return verdict("Degraded", is.Stalled)
end
if ready.status ~= "True" then
  return verdict("Progressing", ready)
end
if is.Reconciling ~= nil and is.Reconciling.status == "True" then
  return verdict("Progressing", is.Reconciling)
end
if last.status == "False" then
  return verdict("Degraded", last)
end
return verdict("Healthy", last)
