import type { BrowserTask } from '#events/actions/task.js';
import type { SkyvernTaskRequest } from './skyvern.client.js';

interface Around {
  readonly title: string;
  readonly webhookUrl?: string | undefined;
  readonly sessionId?: string | undefined;
}

/** Our words for a task in Skyvern's. What nobody asked for is left to Skyvern's own defaults. */
export function taskRequestOf(
  task: BrowserTask,
  { title, webhookUrl, sessionId }: Around,
): SkyvernTaskRequest {
  const { skyvern = {} } = task;
  const request: SkyvernTaskRequest = {
    prompt: task.instruction,
    url: task.url,
    title,
    engine: skyvern.engine,
    proxy_location: skyvern.proxyLocation,
    data_extraction_schema: task.schema,
    error_code_mapping: task.errors,
    max_steps: task.maxActions as number | undefined,
    webhook_url: webhookUrl,
    totp_identifier: skyvern.totpIdentifier,
    totp_url: skyvern.totpUrl,
    browser_session_id: sessionId,
    browser_profile_id: skyvern.browserProfileId,
    model: skyvern.model,
    extra_http_headers: skyvern.extraHttpHeaders,
    include_action_history_in_verification: skyvern.includeActionHistoryInVerification,
    max_screenshot_scrolls: skyvern.maxScreenshotScrolls,
  };
  return Object.fromEntries(
    Object.entries(request).filter(([, value]) => value !== undefined),
  ) as unknown as SkyvernTaskRequest;
}
