-- As much of Kong's acl as shows that plugins work together: authenticated groups, and
-- those of a consumer that has a credential.
local ACL = { PRIORITY = 950, VERSION = "0" }

local function is_among(groups, wanted)
  for _, group in ipairs(groups) do
    for _, one in ipairs(wanted) do
      if group == one then return true end
    end
  end
  return false
end

local function refuse()
  if kong.client.get_credential() then return kong.response.exit(403, { message = "You cannot consume this service" }) end
  return kong.response.exit(401, { message = "Unauthorized" })
end

function ACL:access(conf)
  local consumer, credential = ngx.ctx.authenticated_consumer, kong.client.get_credential()
  local groups, header = kong.ctx.shared.authenticated_groups, "X-Authenticated-Groups"
  if consumer and credential or not groups then
    if not consumer then return refuse() end
    groups, header = {}, "X-Consumer-Groups"
    for row in kong.db.acls:each() do
      if row.consumer.id == consumer.id then groups[#groups + 1] = row.group end
    end
    if not groups[1] and conf.allow then return refuse() end
  end
  if is_among(groups, conf.allow or conf.deny) ~= (conf.allow ~= nil) then
    return kong.response.exit(403, { message = "You cannot consume this service" })
  end
  if not conf.hide_groups_header and conf.allow then
    kong.service.request.set_header(header, table.concat(groups, ", "))
  end
end

return ACL
